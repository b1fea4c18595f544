//! How many of all customers are VIPs, and whether that is as it should be.

use super::*;

/// Insists on the share, as JSON and as CSV; answers the advice in a sentence.
#[track_caller]
fn assert_share(
    app: &App,
    vips: u32,
    customers: u32,
    percent: Option<&str>,
    advice: &str,
) -> String {
    let mut row = report(app, "vip-share");
    row.as_object_mut().unwrap().remove("as_of");
    let text = row["advice_text"].as_str().unwrap().to_owned();
    let expected = json!({
        "customers": customers, "vips": vips, "percent": percent, "advice": advice,
        "advice_text": text,
    });
    assert_eq!(row, expected);
    assert_csv(app, "vip-share", "customers vips percent advice advice_text", &[row]);
    text
}

on_both! {
    fn the_advice_goes_by_the_share(app) {
        app.set_up(json!({}));
        let mut texts = BTreeSet::new();
        texts.insert(assert_share(app, 0, 0, None, "no_customers"));
        for number in 1..=20 {
            customer(app, &format!("c{number}"), json!({}));
        }
        texts.insert(assert_share(app, 0, 20, Some("0.00"), "too_few"));
        designate(app, "c1", json!({}));
        texts.insert(assert_share(app, 1, 20, Some("5.00"), "on_target"));
        customer(app, "c21", json!({}));
        assert_share(app, 1, 21, Some("4.76"), "too_few");
        designate(app, "c2", json!({}));
        assert_share(app, 2, 21, Some("9.52"), "on_target");
        // Who was erased is no customer any more.
        erase(app, "c21");
        assert_share(app, 2, 20, Some("10.00"), "on_target");
        erase(app, "c20");
        texts.insert(assert_share(app, 2, 19, Some("10.53"), "above_target"));
        designate(app, "c3", json!({}));
        designate(app, "c4", json!({}));
        texts.insert(assert_share(app, 4, 19, Some("21.05"), "too_many"));
        customer(app, "c22", json!({}));
        assert_share(app, 4, 20, Some("20.00"), "above_target");
        assert_eq!(texts.len(), 5, "each advice says something else: {texts:?}");
    }

    fn only_an_active_designation_makes_a_vip(app) {
        app.set_up(json!({}));
        for id in ["c1", "c2", "c3", "c4"] {
            customer(app, id, json!({}));
            designate(app, id, json!({}));
        }
        flag(app, "c1", "do_not_serve");
        assert_share(app, 4, 4, Some("100.00"), "too_many");
        pause(app, "c2");
        assert_share(app, 3, 4, Some("75.00"), "too_many");
        remove(app, "c3");
        assert_share(app, 2, 4, Some("50.00"), "too_many");
        erase(app, "c4");
        assert_share(app, 1, 3, Some("33.33"), "too_many");
        // An end that time brings is seen when it has come.
        let ends_at = from_now(2);
        designate(app, "c3", json!({"ends_at": ends_at}));
        while Utc::now() < instant(&ends_at) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_share(app, 1, 3, Some("33.33"), "too_many");
    }

    fn halves_are_rounded_up(app) {
        app.set_up(json!({}));
        for number in 1..=32 {
            customer(app, &format!("c{number}"), json!({}));
        }
        designate(app, "c1", json!({}));
        // 3.125
        assert_share(app, 1, 32, Some("3.13"), "too_few");
        designate(app, "c2", json!({}));
        designate(app, "c3", json!({}));
        // 9.375
        assert_share(app, 3, 32, Some("9.38"), "on_target");
    }
}
