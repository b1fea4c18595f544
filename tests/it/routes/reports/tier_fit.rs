//! VIPs whose tier is not the one that they qualify for.

use super::*;

const COLUMNS: &str = "customer_id name tier qualifies_for since lifetime_spend source assigned_to";

/// Whom the report names as above or below; in short, with the tier and what it should be.
fn fit(app: &App, fit: &str) -> Vec<String> {
    let line = |row: &Value| {
        let [id, tier, due] = ["customer_id", "tier", "qualifies_for"]
            .map(|name| row[name].as_str().unwrap_or("none"));
        format!("{id}: {tier}, {due}")
    };
    rows(app, &format!("tier-fit?fit={fit}"), "customers", COLUMNS).iter().map(line).collect()
}

on_both! {
    fn a_vips_tier_is_held_against_membership_and_rules(app) {
        app.set_up(json!({}));
        app.set_tiers(&[("silver", "100.00"), ("gold", "500.00"), ("platinum", "90000.00")]);
        for (id, spent) in [
            ("a2", "600.00"),
            ("b1", "600.00"),
            ("b2", "100.00"),
            ("b3", "1000.00"),
            ("b4", "5000.00"),
            ("fits1", "999.99"),
            ("fits3", "1200.00"),
            ("rests", "600.00"),
            ("ended", "600.00"),
            ("gone", "600.00"),
            ("never", "600.00"),
        ] {
            app.order(id, id, NOON, spent).expect(201);
        }
        customer(app, "a1", json!({"name": "Zoë"}));
        customer(app, "fits2", json!({}));
        for (id, tier) in [
            ("a1", Some("gold")),
            ("a2", Some("platinum")),
            ("b1", Some("silver")),
            ("b2", None),
            ("b3", Some("gold")),
            ("fits1", Some("gold")),
            ("fits2", None),
            ("fits3", Some("platinum")),
            ("rests", Some("silver")),
            ("ended", Some("silver")),
            ("gone", Some("silver")),
        ] {
            designate(app, id, json!({"tier": tier, "since": "2021-03-15", "assigned_to": "eve"}));
        }
        pause(app, "rests");
        remove(app, "ended");
        erase(app, "gone");
        flag(app, "a2", "caution");
        let approval = json!({"tier": "platinum", "requires_approval": true});
        put_rule(app, "most", "1000.00", approval.clone(), true);
        put_rule(app, "many", "5000.00", json!({"tier": "silver"}), true);
        assert_eq!(fit(app, "above"), ["a1: gold, none", "a2: platinum, gold"]);
        assert_eq!(fit(app, "below"), [
            "b1: silver, gold",
            "b2: none, silver",
            "b3: gold, platinum",
            "b4: silver, platinum",
        ]);
        assert_eq!(report(app, "tier-fit?fit=above")["customers"][0], json!({
            "customer_id": "a1", "name": "Zoë", "tier": "gold", "qualifies_for": null,
            "since": "2021-03-15", "lifetime_spend": "0.00", "source": "manual",
            "assigned_to": "eve",
        }));
        let path = "/v1/customers/b4/designation";
        let made = app.manager().get(path).expect(200).body;
        assert_eq!(report(app, "tier-fit?fit=below")["customers"][3], json!({
            "customer_id": "b4", "name": null, "tier": "silver", "qualifies_for": "platinum",
            "since": made["since"], "lifetime_spend": "5000.00", "source": "automatic",
            "assigned_to": null,
        }));

        // A rule that is disabled makes nobody qualify.
        put_rule(app, "most", "1000.00", approval, false);
        assert_eq!(
            fit(app, "above"),
            ["a1: gold, none", "a2: platinum, gold", "fits3: platinum, gold"]
        );
        assert_eq!(fit(app, "below"), ["b1: silver, gold", "b2: none, silver", "b4: silver, gold"]);
    }

    fn above_or_below_has_to_be_said(app) {
        app.set_up(json!({}));
        for query in ["", "?fit=", "?fit=lost", "?fit=Above"] {
            assert_refused(app, &format!("tier-fit{query}"), &["?fit"]);
        }
    }
}
