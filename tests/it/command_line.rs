//! The binary, as its users run it.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

pub fn accolade(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_accolade"));
    command.args(args).current_dir(folder).env_clear().env("LISTEN_ADDR", "127.0.0.1:0");
    command
}

pub fn run(folder: &Path, args: &[&str]) -> Output {
    accolade(folder, args).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A serving instance, and the lines that it prints.
pub struct Serving {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    pub base: String,
}

impl Serving {
    pub fn start(folder: &Path, args: &[&str]) -> Self {
        let mut child =
            accolade(folder, args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let base = first.strip_prefix("listening on ").unwrap().to_owned();
        Self { child, lines, base }
    }

    pub fn get(&self, token: &str, path: &str) -> Value {
        let mut response = ureq::get(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {token}"))
            .call()
            .unwrap();
        serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn each_command_has_help_that_a_newcomer_can_work_from() {
    let folder = tempfile::tempdir().unwrap();
    for command in
        ["serve", "token", "import", "rules", "migrate", "backup", "openapi", "healthcheck"]
    {
        let output = run(folder.path(), &[command, "--help"]);
        assert!(output.status.success(), "{command}");
        assert!(text(&output.stdout).lines().count() > 5, "{command}");
    }
}

#[test]
fn a_bad_setting_stops_the_start_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bad) in [
        ("DATABASE_URL", "mysql://localhost/x"),
        ("LISTEN_ADDR", "everywhere"),
        ("JWT_SECRET", "short"),
        ("JWKS_FILE", "nowhere.json"),
        ("WORKERS", "-1"),
        ("DATABASE_POOL_SIZE", "many"),
        ("REQUESTS_MAX", "0"),
        ("CONNECTIONS_MAX", "all"),
        ("DRAIN_SECONDS", "soon"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "=="),
    ] {
        let output = accolade(folder.path(), &["serve"]).env(name, bad).output().unwrap();
        assert!(!output.status.success(), "{name}={bad}");
        assert!(text(&output.stderr).contains(name), "{name}: {}", text(&output.stderr));
    }
    let output = accolade(folder.path(), &["serve"])
        .env("DATABASE_URL", "postgres://localhost/x")
        .output()
        .unwrap();
    assert!(text(&output.stderr).contains("JWT_SECRET"), "{}", text(&output.stderr));
}

#[test]
fn every_setting_stands_in_the_example_with_its_default() {
    let example = include_str!("../../.env.example");
    for line in [
        "DATABASE_URL=sqlite://accolade.db",
        "LISTEN_ADDR=127.0.0.1:8080",
        "JWT_SECRET=",
        "JWKS_FILE=",
        "TOKEN_ISSUER=accolade",
        "TOKEN_AUDIENCE=accolade",
        "DATABASE_POOL_SIZE=8",
        "WORKERS=",
        "REQUESTS_MAX=512",
        "CONNECTIONS_MAX=800",
        "DRAIN_SECONDS=3",
        "LOG_LEVEL=info",
        "LOG_FORMAT=text",
    ] {
        assert!(example.contains(line), "{line}");
    }
}

#[test]
fn the_demo_prints_lines_that_work_and_a_token_is_all_that_token_prints() {
    let folder = tempfile::tempdir().unwrap();
    let mut serving = Serving::start(folder.path(), &["serve", "--demo"]);
    let mut printed = String::new();
    for line in serving.lines.by_ref() {
        let line = line.unwrap();
        printed.push_str(&line);
        printed.push('\n');
        if line.contains("/docs") {
            break;
        }
    }
    for role in ["STOREFRONT", "SUPPORT", "MANAGER", "ADMINISTRATOR", "PLATFORM_ADMIN"] {
        assert!(printed.contains(&format!("{role}='")), "{printed}");
        assert!(printed.contains(&format!("Bearer ${role}\"")), "{printed}");
    }
    // Each printed curl line does what it says.
    for line in printed.lines().filter(|line| line.starts_with("curl")) {
        let tokens: String =
            printed.lines().filter(|l| l.contains("='ey")).map(|l| format!("{l}\n")).collect();
        let output =
            Command::new("bash").arg("-c").arg(format!("{tokens}{line} -f")).output().unwrap();
        assert!(output.status.success(), "{line}: {}", text(&output.stdout));
    }
    let output = run(folder.path(), &["token", "--store", "demo", "--role", "manager"]);
    let token = text(&output.stdout);
    assert_eq!(token.lines().count(), 1);
    for tier in ["bronze", "silver", "gold", "platinum"] {
        let list = serving.get(token.trim(), &format!("/v1/customers?tier={tier}"));
        assert!(!list["customers"].as_array().unwrap().is_empty(), "{tier}");
    }
    let list = serving.get(token.trim(), "/v1/designations?state=active&tier=platinum");
    assert!(!list["designations"].as_array().unwrap().is_empty(), "{list}");
    for status in ["active", "vip", "caution", "do_not_serve"] {
        let list = serving.get(token.trim(), &format!("/v1/customers?status={status}"));
        assert!(!list["customers"].as_array().unwrap().is_empty(), "{status}");
    }
    let badge = serving.get(token.trim(), "/v1/customers/c8/badge");
    assert_eq!(badge["warnings"][0]["status"], "do_not_serve");
    let mut page = ureq::get(format!("{}/docs/", serving.base)).call().unwrap();
    assert!(page.body_mut().read_to_string().unwrap().contains("swagger-ui"));
}

#[test]
fn healthcheck_says_whether_it_lives() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path(), &["serve"]);
    let address = serving.base.strip_prefix("http://").unwrap().to_owned();
    let check =
        || accolade(folder.path(), &["healthcheck"]).env("LISTEN_ADDR", &address).output().unwrap();
    assert!(check().status.success());
    drop(serving);
    assert!(!check().status.success());
}

#[test]
fn openapi_prints_the_document() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["openapi"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
}

#[test]
fn an_import_beside_a_serving_instance_says_what_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path(), &["serve"]);
    let token = |role: &str| {
        text(&run(folder.path(), &["token", "--store", "shop", "--role", role]).stdout)
            .trim()
            .to_owned()
    };
    let storefront = token("storefront");
    ureq::patch(format!("{}/v1/program", serving.base))
        .header("authorization", format!("Bearer {}", token("administrator")))
        .content_type("application/json")
        .send(r#"{"currency": "GBP", "start_date": "2020-01-01"}"#)
        .unwrap();
    let write = |name: &str, lines: &str| std::fs::write(folder.path().join(name), lines).unwrap();
    write("customers.csv", "customer_id,name,tags\nc1,Ada Byron,press; wholesale\nc 2,Bad Id,\n");
    write(
        "orders.csv",
        "order_id,customer_id,completed_at,total,currency\n\
         o1,c1,2024-06-01T10:00:00Z,129.95,GBP\n\
         o2,c1,2024-06-02T10:00:00Z,12.345,GBP\n\
         o3,c1,2024-06-03T10:00:00Z,10.00,EUR\n\
         o4,c1,2024-06-04T10:00:00Z\n",
    );
    write(
        "refunds.csv",
        "refund_id,order_id,refunded_at,amount\nr1,o1,2024-06-08T12:00:00Z,29.95\nr2,o9,2024-06-08T12:00:00Z,1.00\n",
    );
    let import = || {
        let args = [
            "import",
            "--store",
            "shop",
            "--customers",
            "customers.csv",
            "--orders",
            "orders.csv",
            "--refunds",
            "refunds.csv",
            "--refused",
            "refused.csv",
        ];
        let output = run(folder.path(), &args);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert!(import().starts_with("created 3, changed 0, unchanged 0, refused 5"));
    let mut refused = String::new();
    std::fs::File::open(folder.path().join("refused.csv"))
        .unwrap()
        .read_to_string(&mut refused)
        .unwrap();
    for line in [
        "customers.csv,3,",
        "orders.csv,3,",
        "orders.csv,4,currency_mismatch",
        "orders.csv,5,",
        "refunds.csv,3,\"unknown_order",
    ] {
        assert!(refused.contains(line), "{line} is not in\n{refused}");
    }
    let membership = serving.get(&storefront, "/v1/customers/c1/membership");
    assert_eq!(membership["lifetime"]["amount_spent"], "100.00");
    assert!(import().starts_with("created 0, changed 0, unchanged 3, refused 5"));
}
