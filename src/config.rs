//! Settings, from the environment. `.env.example` lists them all.

use crate::api::tokens::{Parties, SECRET_LENGTH_MIN, Secret, Trust};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For log collectors: one JSON object a line.
    Json,
}

/// The service's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`: `sqlite://PATH` or `postgres://…`.
    pub database_url: String,
    /// `DATABASE_POOL_SIZE`: connections to keep.
    pub database_pool_size: u32,
    /// `LISTEN_ADDR`: where to listen; port 0 picks a free one.
    pub listen_addr: String,
    /// `WORKERS`: threads that serve requests.
    pub workers: usize,
    /// `REQUESTS_MAX`: requests in hand at once; those beyond are refused.
    pub requests_max: usize,
    /// `CONNECTIONS_MAX`: connections at once; those beyond wait.
    pub connections_max: usize,
    /// `RATE_LIMIT`: requests a second of each caller; 0 for any number.
    pub rate_limit: u32,
    /// `DRAIN_SECONDS`: how long to go on after SIGTERM, saying that it is not ready.
    pub drain_seconds: u32,
    /// `JWT_SECRET`: what tokens are signed with, if it is set.
    pub jwt_secret: Option<Secret>,
    /// `JWKS_FILE`: public keys of those who sign tokens, if it is set.
    pub jwks_file: Option<PathBuf>,
    /// `TOKEN_ISSUER` and `TOKEN_AUDIENCE`: what tokens say of where they come
    /// from and whom they are for.
    pub token_parties: Parties,
    /// `LOG_LEVEL`: what is logged, as a filter of the `tracing` crate.
    pub log_level: String,
    /// `LOG_FORMAT`: `text` or `json`.
    pub log_format: LogFormat,
}

/// A setting that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} {rule}")]
pub struct InvalidSetting {
    /// The variable.
    pub name: &'static str,
    /// What is wrong with it.
    pub rule: String,
}

impl Config {
    /// Reads the settings; `get` gives the value of a variable, if it is set.
    ///
    /// # Errors
    /// Every setting that can't be used.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<InvalidSetting>> {
        let mut faults = Vec::new();
        let text = |name: &str, default: &str| {
            get(name).filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned())
        };
        let database_url = text("DATABASE_URL", "sqlite://accolade.db");
        let is_known = ["sqlite://", "postgres://", "postgresql://"].iter().any(|scheme| {
            database_url
                .strip_prefix(scheme)
                .is_some_and(|rest| !rest.is_empty() && !rest.starts_with(':'))
        });
        if !is_known {
            let rule = "must be sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME".to_owned();
            faults.push(InvalidSetting { name: "DATABASE_URL", rule });
        }
        // libpq would repeat what it can't read, and it may be of the password.
        let is_escape = |part: &str| {
            part.get(..2).is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        };
        if database_url.starts_with("postgres") && !database_url.split('%').skip(1).all(is_escape) {
            let rule = "must have two hexadecimal digits after each %: a % of itself is %25";
            faults.push(InvalidSetting { name: "DATABASE_URL", rule: rule.to_owned() });
        }
        if database_url.starts_with("postgres") && has_bare_separators(&database_url) {
            let rule = "must have an @, / or ? of its user or password, and an @ behind the host, as %40, %2F and %3F";
            faults.push(InvalidSetting { name: "DATABASE_URL", rule: rule.to_owned() });
        }
        let mut number = |name: &'static str, default: u32, range: RangeInclusive<u32>| {
            let value = text(name, &default.to_string());
            let parsed = value.parse().ok().filter(|n| range.contains(n));
            parsed.unwrap_or_else(|| {
                let (min, max) = range.into_inner();
                let rule = format!("must be a whole number from {min} to {max}, not {value:?}");
                faults.push(InvalidSetting { name, rule });
                default
            })
        };
        let database_pool_size = number("DATABASE_POOL_SIZE", 8, 1..=1_000);
        let cores =
            std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
        let workers = number("WORKERS", cores.clamp(1, 500), 1..=500);
        let requests_max = number("REQUESTS_MAX", 512, 1..=100_000);
        let connections_max = number("CONNECTIONS_MAX", 800, 1..=100_000);
        let rate_limit = number("RATE_LIMIT", 0, 0..=1_000_000);
        let drain_seconds = number("DRAIN_SECONDS", 3, 0..=300);
        let listen_addr = text("LISTEN_ADDR", "127.0.0.1:8080");
        if !listen_addr
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        {
            let rule = format!("must be HOST:PORT such as 127.0.0.1:8080, not {listen_addr:?}");
            faults.push(InvalidSetting { name: "LISTEN_ADDR", rule });
        }
        let jwt_secret = get("JWT_SECRET").filter(|value| !value.is_empty()).and_then(|value| {
            let secret = Secret::new(value.into_bytes());
            if secret.is_none() {
                let rule = format!("must have at least {SECRET_LENGTH_MIN} bytes");
                faults.push(InvalidSetting { name: "JWT_SECRET", rule });
            }
            secret
        });
        let jwks_file = get("JWKS_FILE").filter(|value| !value.is_empty()).map(PathBuf::from);
        let ours = Parties::default();
        let token_parties = Parties {
            issuer: text("TOKEN_ISSUER", &ours.issuer),
            audience: text("TOKEN_AUDIENCE", &ours.audience),
        };
        let log_level = text("LOG_LEVEL", "info");
        if log_level.parse::<tracing_subscriber::EnvFilter>().is_err() {
            let rule = format!("must be a level such as info, or a filter, not {log_level:?}");
            faults.push(InvalidSetting { name: "LOG_LEVEL", rule });
        }
        let log_format = match text("LOG_FORMAT", "text").as_str() {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            other => {
                let rule = format!("must be text or json, not {other:?}");
                faults.push(InvalidSetting { name: "LOG_FORMAT", rule });
                LogFormat::Text
            }
        };
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            database_url,
            database_pool_size,
            listen_addr,
            workers: usize::try_from(workers).unwrap_or(1),
            requests_max: usize::try_from(requests_max).unwrap_or(usize::MAX),
            connections_max: usize::try_from(connections_max).unwrap_or(usize::MAX),
            rate_limit,
            drain_seconds,
            jwt_secret,
            jwks_file,
            token_parties,
            log_level,
            log_format,
        })
    }

    /// The SQLite file, where the database is one.
    pub fn sqlite_path(&self) -> Option<&Path> {
        self.database_url.strip_prefix("sqlite://").map(Path::new)
    }

    /// Whose tokens are taken.
    ///
    /// # Errors
    /// [`InvalidSetting`] where there is neither a secret nor a file of keys.
    pub fn trust(&self) -> Result<Trust, InvalidSetting> {
        let has_keys_alone = self.jwks_file.is_some() && self.jwt_secret.is_none();
        Ok(Trust {
            parties: self.token_parties.clone(),
            secret: if has_keys_alone { None } else { Some(self.secret()?) },
            jwks_file: self.jwks_file.clone(),
        })
    }

    /// The secret that tokens are signed with: as set; or, on SQLite, one kept
    /// beside the database, which is made at the first start and readable by
    /// its owner only. Where others sign tokens, none is made.
    ///
    /// # Errors
    /// [`InvalidSetting`] where there is none and none can be made.
    pub fn secret(&self) -> Result<Secret, InvalidSetting> {
        let invalid = |rule: String| InvalidSetting { name: "JWT_SECRET", rule };
        if let Some(secret) = &self.jwt_secret {
            return Ok(secret.clone());
        }
        if self.jwks_file.is_some() {
            let rule = "is not set, and beside JWKS_FILE none is made: tokens come from whoever has the private keys";
            return Err(invalid(rule.to_owned()));
        }
        let Some(database) = self.sqlite_path() else {
            let rule = "or JWKS_FILE has to be set with PostgreSQL: every instance needs the same one, the secret of at least 32 bytes";
            return Err(invalid(rule.to_owned()));
        };
        let mut name = database.as_os_str().to_owned();
        name.push(".secret");
        let path = PathBuf::from(name);
        kept_secret(&path).map_err(|error| {
            invalid(format!("is not set, and none can be kept in {}: {error}", path.display()))
        })
    }
}

/// Whether some part of a PostgreSQL URL, such as a password, has a separator
/// that would have the rest taken for a host, a port or a name: an `@` that is
/// not the one before the host.
fn has_bare_separators(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, beyond) = rest.split_at(end);
    authority.matches('@').count() > 1 || beyond.contains('@')
}

fn kept_secret(path: &Path) -> std::io::Result<Secret> {
    use std::io::{ErrorKind, Write};
    let short = || std::io::Error::new(ErrorKind::InvalidData, "the file holds no secret");
    match std::fs::read_to_string(path) {
        Ok(text) => return Secret::new(text.trim().as_bytes().to_vec()).ok_or_else(short),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut random = [0_u8; 32];
    getrandom::fill(&mut random).map_err(|error| std::io::Error::other(error.to_string()))?;
    let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    // Written aside, for its owner only, and put into place without taking
    // another's, so that of two first starts at once both end up with the same
    // whole file.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut aside = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    aside.write_all(text.as_bytes())?;
    aside.as_file().sync_all()?;
    match aside.persist_noclobber(path).map_err(|error| error.error) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => {
            let text = std::fs::read_to_string(path)?;
            Secret::new(text.trim().as_bytes().to_vec()).ok_or_else(short)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<Config, Vec<InvalidSetting>> {
        Config::read(|name| {
            settings.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_defaults_need_nothing_installed() {
        let config = read(&[]).unwrap();
        assert_eq!(config.database_url, "sqlite://accolade.db");
        assert_eq!(config.listen_addr, "127.0.0.1:8080");
        assert_eq!(config.rate_limit, 0);
    }

    #[test]
    fn a_password_that_is_not_escaped_is_not_shown() {
        let passwords = [
            ("pa%ss", false),
            ("50%", false),
            ("%\u{e4}", false),
            ("pa/ss", false),
            ("pa@ss", false),
            ("pa?ss", false),
            ("pa@[ss", false),
            ("pa/s?s", false),
            ("pa%2Fs%40s", true),
            ("%e4%25", true),
            ("plain", true),
        ];
        for (password, is_good) in passwords {
            let url = format!("postgres://u:{password}@h/d");
            let said = read(&[("DATABASE_URL", &url)]).err().map(|faults| faults[0].to_string());
            assert_eq!(said.is_none(), is_good, "{password}");
            assert!(said.is_none_or(|said| said.contains('%') && !said.contains("u:")));
        }
        for url in ["postgres://h/d?user=a%40b", "postgres:///d?host=/run/postgresql"] {
            assert!(read(&[("DATABASE_URL", url)]).is_ok(), "{url}");
        }
    }

    #[test]
    fn every_bad_setting_is_named_at_once() {
        let faults = read(&[
            ("DATABASE_URL", "mysql://x"),
            ("LISTEN_ADDR", "8080"),
            ("WORKERS", "none"),
            ("DATABASE_POOL_SIZE", "0"),
            ("REQUESTS_MAX", "0"),
            ("CONNECTIONS_MAX", "-1"),
            ("DRAIN_SECONDS", "301"),
            ("RATE_LIMIT", "0.5"),
            ("JWT_SECRET", "short"),
            ("LOG_FORMAT", "xml"),
        ])
        .unwrap_err();
        let mut names: Vec<&str> = faults.iter().map(|fault| fault.name).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "CONNECTIONS_MAX",
                "DATABASE_POOL_SIZE",
                "DATABASE_URL",
                "DRAIN_SECONDS",
                "JWT_SECRET",
                "LISTEN_ADDR",
                "LOG_FORMAT",
                "RATE_LIMIT",
                "REQUESTS_MAX",
                "WORKERS"
            ]
        );
    }

    #[test]
    fn a_secret_is_kept_beside_the_sqlite_file_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/shop.db", folder.path().display());
        let config = read(&[("DATABASE_URL", &url)]).unwrap();
        config.secret().unwrap();
        let path = folder.path().join("shop.db.secret");
        let kept = std::fs::read_to_string(&path).unwrap();
        assert_eq!(kept.len(), 64);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        config.secret().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), kept);
    }

    #[test]
    fn on_postgresql_a_secret_or_keys_have_to_be_set() {
        let config = read(&[("DATABASE_URL", "postgres://localhost/x")]).unwrap();
        assert_eq!(config.secret().unwrap_err().name, "JWT_SECRET");
        assert_eq!(config.trust().unwrap_err().name, "JWT_SECRET");
        let url = ("DATABASE_URL", "postgres://localhost/x");
        let trust = read(&[url, ("JWKS_FILE", "keys.json")]).unwrap().trust().unwrap();
        assert!(trust.secret.is_none());
    }

    #[test]
    fn beside_keys_no_secret_is_made_and_one_that_is_set_counts() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/shop.db", folder.path().display());
        let keys = [("DATABASE_URL", url.as_str()), ("JWKS_FILE", "keys.json")];
        let config = read(&keys).unwrap();
        let trust = config.trust().unwrap();
        assert!(trust.secret.is_none());
        assert_eq!(trust.jwks_file, Some(PathBuf::from("keys.json")));
        assert_eq!(config.secret().unwrap_err().name, "JWT_SECRET");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

        let secret = ("JWT_SECRET", "a secret of the tests, 32 bytes!");
        let config = read(&[keys[0], keys[1], secret]).unwrap();
        config.secret().unwrap();
        assert!(config.trust().unwrap().secret.is_some());
    }

    #[test]
    fn tokens_are_issued_by_and_for_accolade_unless_said_otherwise() {
        assert_eq!(read(&[]).unwrap().token_parties, Parties::default());
        let settings = [("TOKEN_ISSUER", "https://login.example"), ("TOKEN_AUDIENCE", "vip")];
        let Parties { issuer, audience } = read(&settings).unwrap().token_parties;
        assert_eq!((issuer.as_str(), audience.as_str()), ("https://login.example", "vip"));
    }
}
