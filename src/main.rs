//! The command line.

use accolade::api::auth::{Caller, Role};
use accolade::api::instance::Instance;
use accolade::api::tokens::{Verifier, is_subject, issue};
use accolade::config::{Config, LogFormat};
use accolade::db::{Db, Limits, backup};
use accolade::domain::id::StoreId;
use accolade::domain::words::{value, word};
use accolade::import::{Files, Summary, import};
use accolade::rule_files::Loaded;
use accolade::{api, app, demo, rule_files};
use chrono::Utc;
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// VIP status for shops: takes in customers, orders and refunds, moves
/// customers through tiers, and answers how to treat each of them.
///
/// Settings come from the environment: DATABASE_URL (sqlite://accolade.db),
/// LISTEN_ADDR (127.0.0.1:8080), JWT_SECRET, JWKS_FILE, TOKEN_ISSUER,
/// TOKEN_AUDIENCE, DATABASE_POOL_SIZE, WORKERS, REQUESTS_MAX, CONNECTIONS_MAX,
/// RATE_LIMIT, DRAIN_SECONDS, LOG_LEVEL and LOG_FORMAT;
/// .env.example explains each.
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API.
    ///
    /// Brings the database up to date, then listens on LISTEN_ADDR and prints
    /// the address on one line once it answers. Interactive documents are at /docs.
    Serve {
        /// First make a small believable store named "demo", if it is not there,
        /// and print ready-to-paste curl lines with tokens for each role.
        #[arg(long)]
        demo: bool,
    },
    /// Print a token, and nothing else.
    ///
    /// It is signed with JWT_SECRET, or with the secret kept beside the SQLite
    /// file, so that a service with the same settings takes it. Where JWKS_FILE
    /// alone is set there is no secret, and others sign tokens.
    Token(TokenArgs),
    /// Import CSV files of customers, orders and refunds.
    ///
    /// The header names the API's fields: order_id,customer_id,completed_at,
    /// total,currency for orders (with status and placed_at where they differ
    /// from completed, and completed_at), refund_id,order_id,refunded_at,amount
    /// for refunds, customer_id and any of name,email,joined_at,birthday,
    /// preferred_channel,tags (separated by semicolons),print_vip_icon,
    /// subscription_monthly_amount,subscription_state,subscription_cancelled_at
    /// for customers. The files are merged by instant. Run twice, the second
    /// changes nothing. It may run beside a serving instance.
    Import(ImportArgs),
    /// Load files of rules of qualification, and of the tiers that they grant.
    ///
    /// Each file is JSON: {"tiers": [...], "rules": {"CODE": {...}, ...}},
    /// with tiers as in PUT /v1/tiers and rules as in PUT /v1/rules/CODE. A
    /// tier that the ladder has already is left as it is. All files are loaded
    /// at once, or nothing of them. The folder examples/ has some.
    Rules(RulesArgs),
    /// Bring the database up to date, and nothing else.
    Migrate,
    /// Copy the SQLite database into a new file, while it is in use.
    ///
    /// The copy holds all that was answered before it began, is checked and on
    /// the disk when the command ends well, and readable by its owner only. To
    /// restore it, stop the service, move the database away together with its
    /// -wal and -shm files, and put the copy in its place.
    Backup(BackupArgs),
    /// Print the OpenAPI document.
    Openapi,
    /// Ask an instance at 127.0.0.1, on LISTEN_ADDR's port, whether it lives;
    /// fails where it does not. For container images.
    Healthcheck,
}

#[derive(Args)]
struct TokenArgs {
    /// The store that the token is for.
    #[arg(long)]
    store: String,
    /// What its bearer is to the store: storefront, support, manager,
    /// administrator or platform_admin.
    #[arg(long)]
    role: String,
    /// Whom it names in the audit log.
    #[arg(long, default_value = "cli")]
    subject: String,
    /// How long it is valid: a number and s, m, h or d.
    #[arg(long, default_value = "12h")]
    ttl: String,
}

#[derive(Args)]
struct ImportArgs {
    /// The store to import into; it has to be set up.
    #[arg(long)]
    store: String,
    /// A CSV file of orders.
    #[arg(long)]
    orders: Option<PathBuf>,
    /// A CSV file of refunds.
    #[arg(long)]
    refunds: Option<PathBuf>,
    /// A CSV file of customers.
    #[arg(long)]
    customers: Option<PathBuf>,
    /// Write refused lines to this CSV file (file,line,reason) instead of to
    /// standard error.
    #[arg(long)]
    refused: Option<PathBuf>,
}

#[derive(Args)]
struct BackupArgs {
    /// The file to make; it must not exist.
    file: PathBuf,
}

#[derive(Args)]
struct RulesArgs {
    /// The store to load them into; it has to be set up.
    #[arg(long)]
    store: String,
    /// The files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

type Answer = Result<(), String>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("accolade: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Answer {
    if let Command::Openapi = command {
        let document = api::document().to_pretty_json().map_err(text)?;
        return print_line(&document);
    }
    let config = Config::read(|name| std::env::var(name).ok()).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        format!("these settings can't be used:\n  {}", lines.join("\n  "))
    })?;
    match command {
        Command::Serve { demo } => runtime(serve(&config, demo)),
        Command::Token(args) => token(&config, &args),
        Command::Import(args) => runtime(run_import(&config, args)),
        Command::Rules(args) => runtime(load_rules(&config, &args)),
        Command::Migrate => open(&config).map(|_| ()),
        Command::Backup(args) => back_up(&config, &args),
        Command::Openapi => Ok(()),
        Command::Healthcheck => healthcheck(&config),
    }
}

/// Does a job to its end. Its runtime is left as it is: ending that would wait
/// for each thread that the database keeps waiting, however long.
fn runtime(job: impl Future<Output = Answer>) -> Answer {
    let runtime = actix_web::rt::System::new();
    let answer = runtime.block_on(job);
    std::mem::forget(runtime);
    answer
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn print_line(line: &str) -> Answer {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(text)
}

/// Opens the database and brings it up to date.
fn open(config: &Config) -> Result<Db, String> {
    let limits = Limits { pool_size: config.database_pool_size, ..Limits::default() };
    let db =
        Db::open(&config.database_url, limits).map_err(|error| format!("DATABASE_URL: {error}"))?;
    db.migrate().map_err(|error| format!("the database can't be brought up to date: {error}"))?;
    Ok(db)
}

async fn serve(config: &Config, with_demo: bool) -> Answer {
    let filter = tracing_subscriber::EnvFilter::new(&config.log_level);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    let trust = config.trust().map_err(text)?;
    let file = trust.jwks_file.clone().unwrap_or_default();
    let verifier =
        Verifier::new(&trust).map_err(|error| format!("JWKS_FILE {}: {error}", file.display()))?;
    if with_demo && trust.secret.is_none() {
        return Err("serve --demo prints tokens: set JWT_SECRET beside JWKS_FILE".to_owned());
    }
    let db = open(config)?;
    let listener = TcpListener::bind(&config.listen_addr)
        .map_err(|error| format!("LISTEN_ADDR {}: {error}", config.listen_addr))?;
    let address = listener.local_addr().map_err(text)?;
    if with_demo {
        let now = api::wire::now();
        if !demo::fill(&db, now).await.map_err(text)? {
            eprintln!(
                "accolade: the store \"{}\" is there already; it stays as it is",
                demo::STORE
            );
        }
    }
    let signals = app::Signals::listen().map_err(text)?;
    let instance = actix_web::web::Data::new(Instance::new(config.requests_max, config.rate_limit));
    let size = app::Size { workers: config.workers, connections_max: config.connections_max };
    let server =
        app::serve(db.clone(), verifier, listener, size, instance.clone()).map_err(text)?;
    let background = app::start_background(&db, &instance);
    print_line(&format!("listening on http://{address}"))?;
    if let Some(secret) = trust.secret.filter(|_| with_demo) {
        let store = StoreId::parse(demo::STORE).map_err(text)?;
        print_demo_lines(&address.to_string(), |role| {
            let caller = Caller { store: store.clone(), subject: "demo".to_owned(), role };
            issue(&secret, &trust.parties, &caller, Utc::now(), chrono::Duration::days(7))
                .map_err(text)
        })?;
    }
    let drain = Duration::from_secs(config.drain_seconds.into());
    app::run(server, signals, &instance, drain).await.map_err(text)?;
    background.abort();
    // Once it is dropped, it gives the writer no more to do.
    drop(background.await);
    db.settle().await.map_err(text)?;
    // The file is whole by itself then; otherwise the next start does it.
    db.empty_log().await;
    Ok(())
}

fn back_up(config: &Config, args: &BackupArgs) -> Answer {
    let Some(database) = config.sqlite_path() else {
        return Err("this copies an SQLite file: for PostgreSQL use its own pg_dump".to_owned());
    };
    let bytes = backup::copy(database, &args.file).map_err(text)?;
    print_line(&format!("{bytes} bytes in {}, checked", args.file.display()))
}

fn print_demo_lines(address: &str, token: impl Fn(Role) -> Result<String, String>) -> Answer {
    print_line("\nTokens of the store \"demo\", good for 7 days:\n")?;
    for (name, role) in Role::WORDS {
        print_line(&format!("{}='{}'", name.to_uppercase(), token(role)?))?;
    }
    let curl = |role: Role, rest: &str| {
        let name = word(&Role::WORDS, &role).to_uppercase();
        format!("curl -s -H \"Authorization: Bearer ${name}\" {rest}")
    };
    let base = format!("http://{address}/v1");
    let order = "'{\"customer_id\":\"c1\",\"status\":\"completed\",\"total\":\"129.95\",\"currency\":\"GBP\",\"placed_at\":\"2026-01-01T10:00:00Z\",\"completed_at\":\"2026-01-01T10:00:00Z\"}'";
    print_line("\nPaste the lines above, then try:\n")?;
    print_line(&curl(Role::Storefront, &format!("{base}/customers/c1/membership")))?;
    print_line(&curl(
        Role::Storefront,
        &format!("-X PUT -H 'Content-Type: application/json' -d {order} {base}/orders/tour-1"),
    ))?;
    print_line(&curl(Role::Support, &format!("{base}/customers/c1/membership/explanation")))?;
    print_line(&curl(
        Role::Manager,
        &format!("'{base}/customers?tier=platinum&sort=-lifetime_spend'"),
    ))?;
    print_line(&curl(Role::Support, &format!("{base}/customers/c8/badge")))?;
    print_line(&curl(Role::Manager, &format!("'{base}/designations?sort=-lifetime_spend'")))?;
    print_line(&curl(Role::Administrator, &format!("{base}/program")))?;
    print_line(&curl(Role::PlatformAdmin, &format!("{base}/tiers")))?;
    print_line(&format!("\nAll operations, to try in a browser: http://{address}/docs\n"))
}

fn token(config: &Config, args: &TokenArgs) -> Answer {
    let store = StoreId::parse(&args.store).map_err(|error| format!("--store {error}"))?;
    let role = value(&Role::WORDS, &args.role).ok_or_else(|| {
        let words: Vec<&str> = Role::WORDS.iter().map(|(word, _)| *word).collect();
        format!("--role must be one of {}", words.join(", "))
    })?;
    let ttl = parse_ttl(&args.ttl)
        .ok_or("--ttl must be a number and s, m, h or d, such as 12h, and at most 3650d")?;
    if !is_subject(&args.subject) {
        return Err("--subject must be 1 to 255 characters, none of them a control".to_owned());
    }
    let secret = config.secret().map_err(text)?;
    let caller = Caller { store, subject: args.subject.clone(), role };
    print_line(&issue(&secret, &config.token_parties, &caller, Utc::now(), ttl).map_err(text)?)
}

fn parse_ttl(text: &str) -> Option<chrono::Duration> {
    let unit = text.chars().last()?;
    let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let ttl = chrono::Duration::try_seconds(number.checked_mul(seconds)?)?;
    (ttl > chrono::Duration::zero() && ttl <= chrono::Duration::days(3_650)).then_some(ttl)
}

async fn run_import(config: &Config, args: ImportArgs) -> Answer {
    let store = StoreId::parse(&args.store).map_err(|error| format!("--store {error}"))?;
    let files = Files { orders: args.orders, refunds: args.refunds, customers: args.customers };
    if files.orders.is_none() && files.refunds.is_none() && files.customers.is_none() {
        return Err("name at least one of --orders, --refunds and --customers".to_owned());
    }
    let db = open(config)?;
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let style = "{bar:40} {pos}/{len} lines, {per_sec}, {eta} left";
    bar.set_style(ProgressStyle::with_template(style).map_err(text)?);
    let started = std::time::Instant::now();
    let summary = import(&db, &store, &files, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })
    .await
    .map_err(text)?;
    bar.finish_and_clear();
    report(&summary, started.elapsed(), args.refused.as_deref())
}

async fn load_rules(config: &Config, args: &RulesArgs) -> Answer {
    let store = StoreId::parse(&args.store).map_err(|error| format!("--store {error}"))?;
    let db = open(config)?;
    let loaded =
        rule_files::load(&db, &store, &args.files, api::wire::now()).await.map_err(text)?;
    let Loaded { created, known } = loaded;
    print_line(&format!("rules: created {created}, known before {known}"))
}

fn report(summary: &Summary, took: Duration, refused_to: Option<&std::path::Path>) -> Answer {
    match refused_to {
        Some(path) => {
            let mut out = csv::Writer::from_path(path).map_err(text)?;
            out.write_record(["file", "line", "reason"]).map_err(text)?;
            for line in &summary.refused {
                let number = line.line.to_string();
                out.write_record([&line.file, &number, &line.reason]).map_err(text)?;
            }
            out.flush().map_err(text)?;
        }
        None => {
            for line in &summary.refused {
                eprintln!("{}:{}: {}", line.file, line.line, line.reason);
            }
        }
    }
    let Summary { created, changed, unchanged, refused } = summary;
    print_line(&format!(
        "created {created}, changed {changed}, unchanged {unchanged}, refused {} in {:.1} s",
        refused.len(),
        took.as_secs_f64(),
    ))?;
    let stored = created.saturating_add(*changed).saturating_add(*unchanged);
    if stored == 0 && !refused.is_empty() {
        return Err("every line was refused".to_owned());
    }
    Ok(())
}

fn healthcheck(config: &Config) -> Answer {
    use std::io::Read;
    let port = config.listen_addr.rsplit_once(':').map_or("8080", |(_, port)| port);
    let limit = Some(Duration::from_secs(3));
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}"))?;
        stream.set_read_timeout(limit)?;
        stream.set_write_timeout(limit)?;
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    match ask() {
        Ok(answer) if answer.starts_with("HTTP/1.1 200") => Ok(()),
        Ok(answer) => Err(format!("it answers {}", answer.lines().next().unwrap_or("nothing"))),
        Err(error) => Err(format!("it does not answer: {error}")),
    }
    .inspect(|()| {
        if std::io::stdout().is_terminal() {
            drop(print_line("ok"))
        }
    })
}
