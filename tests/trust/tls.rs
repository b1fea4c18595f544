//! PostgreSQL over TLS: whom the service talks to is who it should be, and
//! nobody reads along; or it does not start. In builds with `postgres-tls`; of
//! those without, that they say what they lack.

use super::Trial;
use super::service::Home;
use std::time::Duration;

/// Insists that nothing serves there, and on what is said of it.
#[track_caller]
fn assert_refused(home: &Home, says: &str) {
    let said = home.try_to_serve().err().expect("it starts, and should not");
    assert!(said.contains(says), "not {says:?}, but: {said}");
    assert!(!said.contains("a-password"), "the password is shown: {said}");
}

#[cfg(not(feature = "postgres-tls"))]
#[test]
fn a_build_without_tls_says_so_where_the_url_wants_it() {
    let _trial = Trial::begin("a build without TLS", Duration::from_secs(60));
    for wants in ["sslmode=require", "sslmode=verify-full&sslrootcert=system"] {
        let url = format!("{}?{wants}", Home::on_test_cluster().database_url);
        assert_refused(&Home::on_postgres(url), "the Cargo feature postgres-tls");
    }
}

#[cfg(feature = "postgres-tls")]
mod with_tls {
    use super::super::cluster::Cluster;
    use super::super::outages;
    use super::super::proxy::Proxy;
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::Path;
    use std::process::Command;

    /// What the server is certified for. Nobody looks it up.
    const NAME: &str = "db.example";

    /// Who certifies servers, by way of the `openssl` program.
    struct Authority {
        folder: tempfile::TempDir,
    }

    impl Authority {
        fn new() -> Self {
            let authority = Self { folder: tempfile::tempdir().unwrap() };
            authority.openssl(
                "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=tests -keyout ca.key -out ca.crt",
            );
            authority
        }

        fn openssl(&self, args: &str) {
            let ran = Command::new("openssl")
                .args(args.split(' '))
                .current_dir(self.folder.path())
                .output()
                .expect("the openssl program, which makes the certificates of this test");
            assert!(ran.status.success(), "{args}: {}", String::from_utf8_lossy(&ran.stderr));
        }

        /// Where its own certificate is.
        fn root(&self) -> String {
            self.folder.path().join("ca.crt").display().to_string()
        }

        /// A certificate for a server of some name, and its key.
        fn certify(&self, name: &str) -> [String; 2] {
            let at = |file: &str| self.folder.path().join(file);
            std::fs::write(at("names"), format!("subjectAltName = DNS:{name}\n")).unwrap();
            self.openssl(&format!(
                "req -new -newkey rsa:2048 -nodes -subj /CN={name} -keyout server.key -out server.csr"
            ));
            self.openssl(
                "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt",
            );
            ["server.crt", "server.key"].map(|file| std::fs::read_to_string(at(file)).unwrap())
        }
    }

    /// Writes a file for whoever owns its folder, and nobody else.
    fn put(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
        let owner = std::fs::metadata(path.parent().unwrap()).unwrap();
        std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }

    /// A cluster with a certificate and a password, as one of production has.
    struct Server {
        cluster: Cluster,
        authority: Authority,
    }

    impl Server {
        /// `takes` is a word of `pg_hba.conf`: `hostssl`, or `host` for plain
        /// text too.
        fn start(takes: &str) -> Self {
            let (cluster, authority) = (Cluster::start_with(&[]), Authority::new());
            let home = Home::on_postgres(cluster.url());
            home.execute("ALTER SYSTEM SET ssl = on");
            home.execute("ALTER ROLE accolade PASSWORD 'a-password'");
            let [certificate, key] = authority.certify(NAME);
            let rule = format!("{takes} all all 127.0.0.1/32 scram-sha-256\n");
            put(&cluster.folder.join("server.crt"), &certificate);
            put(&cluster.folder.join("server.key"), &key);
            put(&cluster.folder.join("pg_hba.conf"), &rule);
            cluster.stop("fast");
            cluster.start();
            Self { cluster, authority }
        }

        /// It by some name, with parameters.
        fn home(&self, name: &str, port: u16, with: &str) -> Home {
            Home::on_postgres(format!(
                "postgres://accolade:a-password@{name}:{port}/postgres?hostaddr=127.0.0.1&{with}"
            ))
        }

        /// As production should name it.
        fn verified(&self, port: u16) -> Home {
            let with = "sslmode=verify-full&channel_binding=require&sslrootcert=";
            self.home(NAME, port, &format!("{with}{}", self.authority.root()))
        }
    }

    #[test]
    fn every_connection_is_encrypted_to_a_server_that_is_certified() {
        let _trial = Trial::begin("PostgreSQL over TLS", Duration::from_secs(120));
        let server = Server::start("hostssl");
        let port = server.cluster.port;
        let home = server.verified(port);
        let service = home.serve();
        service.set_up();
        service.client("storefront").get("/v1/program");
        let sessions = |what: &str| {
            home.count(&format!(
                "SELECT COUNT(*) AS n FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND {what}"
            ))
        };
        let (encrypted, others) = (sessions("ssl AND version >= 'TLSv1.2'"), sessions("NOT ssl"));
        assert!(encrypted > 0 && others == 0, "{encrypted} are encrypted, {others} are not");
        eprintln!("PostgreSQL over TLS: {encrypted} connections, all of them encrypted");
        drop(service);

        // The trusted ones of the system, which are elsewhere here.
        let home = server
            .home(NAME, port, "sslrootcert=system")
            .with("SSL_CERT_FILE", server.authority.root());
        home.serve().client("storefront").get("/v1/program");

        assert_refused(&server.home(NAME, port, "sslmode=disable"), "no encryption");
    }

    #[test]
    fn no_connection_is_better_than_one_to_somebody_else_or_in_plain_text() {
        let _trial = Trial::begin("refusals over TLS", Duration::from_secs(180));
        let (server, other) = (Server::start("host"), Authority::new());
        let port = server.cluster.port;
        // In plain text it would go: what follows is refused by the service.
        drop(server.home(NAME, port, "sslmode=disable").serve());

        let trusting = |name: &str, root: &str| {
            server.home(name, port, &format!("sslmode=verify-full&sslrootcert={root}"))
        };
        assert_refused(&trusting(NAME, &other.root()), "certificate verify failed");
        assert_refused(&trusting(NAME, "system"), "certificate verify failed");
        assert_refused(&trusting(NAME, "/nowhere.crt"), "does not exist");
        let root = server.authority.root();
        assert_refused(&trusting("other.example", &root), "does not match host name");
        drop(trusting(NAME, &root).serve());

        // A server without TLS.
        let url = format!("{}?sslmode=require", Home::on_test_cluster().database_url);
        assert_refused(&Home::on_postgres(url), "server does not support SSL");
    }

    #[test]
    fn over_tls_too_connections_are_cut_or_fall_silent_and_nothing_acknowledged_is_lost() {
        let _trial = Trial::begin("cut connections over TLS", outages::limit());
        let server = Server::start("hostssl");
        let proxy = Proxy::before(format!("127.0.0.1:{}", server.cluster.port));
        outages::outlast_the_way("cut connections over TLS", &server.verified(proxy.port), &proxy);
    }
}
