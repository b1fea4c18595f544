//! Lists are read in pages while rows come, go and move: whoever was there all
//! along and kept their sort key is named once, and in their order.

use crate::support::*;
use serde_json::{Value, json};

/// How many changes are made while one list is read.
const CHANGES: u64 = 20;

/// Numbers that look random and are the same in every run (Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        let multiplied = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = multiplied.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let number = self.below(u64::try_from(from.len()).unwrap());
        &from[usize::try_from(number).unwrap()]
    }

    fn day(&mut self) -> String {
        format!("2024-{:02}-{:02}", 1 + self.below(9), 1 + self.below(28))
    }
}

/// A shop in which some customers and their orders stay as they are, with
/// `-s` in their identifiers, and others never do, with `-v`.
struct Shop<'a> {
    app: &'a App,
    dice: Dice,
    /// The customers who change and are not erased.
    moving: Vec<String>,
    /// The orders that change, each with its customer.
    orders: Vec<(String, String)>,
    made: u64,
}

impl<'a> Shop<'a> {
    fn open(app: &'a App, seed: u64) -> Self {
        app.set_up(json!({}));
        let mut shop =
            Self { app, dice: Dice(seed), moving: Vec::new(), orders: Vec::new(), made: 0 };
        for k in 0..10_u64 {
            // Two and two have the same keys.
            let (id, pair) = (format!("{:02}-s", 10 * k + 5), k / 2);
            let day = format!("2024-{:02}-15", 1 + pair);
            shop.add(
                &id,
                &format!("Name {}", 20 * pair + 10),
                &day,
                &format!("{}.00", 30 * pair + 20),
            );
            shop.put_order(&format!("o-{id}-pending"), &id, &day, "pending");
            if pair == 1 {
                shop.set_status(&id, "caution");
            }
            if pair == 3 {
                shop.set_status(&id, "do_not_serve");
            }
        }
        for _ in 0..8 {
            shop.add_moving();
        }
        shop
    }

    /// A VIP with one completed order.
    fn add(&self, id: &str, name: &str, day: &str, total: &str) {
        let joined_at = format!("{day}T08:00:00Z");
        let profile = json!({"name": name, "joined_at": joined_at});
        self.app.storefront().put(&format!("/v1/customers/{id}"), &profile).expect(201);
        self.app.order(&format!("o-{id}"), id, &format!("{day}T12:00:00Z"), total).expect(201);
        self.designate(id, day, "active").expect(201);
    }

    fn add_moving(&mut self) {
        self.made += 1;
        let id = format!("{:02}-v{}", self.dice.below(100), self.made);
        let (name, day) = (format!("Name {:02}", self.dice.below(100)), self.dice.day());
        let total = format!("{}.00", self.dice.below(200));
        self.add(&id, &name, &day, &total);
        self.orders.push((format!("o-{id}"), id.clone()));
        self.moving.push(id);
    }

    fn designate(&self, id: &str, since: &str, state: &str) -> Answer {
        let body = json!({"since": since, "state": state});
        self.app.manager().put(&format!("/v1/customers/{id}/designation"), &body)
    }

    fn set_status(&self, id: &str, status: &str) {
        let body = json!({"status": status, "note": "as agreed"});
        self.app.manager().put(&format!("/v1/customers/{id}/status"), &body).expect(200);
    }

    fn put_order(&self, order: &str, customer: &str, day: &str, status: &str) {
        let at = format!("{day}T12:00:00Z");
        let body = json!({
            "customer_id": customer, "status": status, "total": "10.00", "currency": "GBP",
            "placed_at": at, "completed_at": (status == "completed").then_some(&at),
        });
        let answer = self.app.storefront().put(&format!("/v1/orders/{order}"), &body);
        assert!([200, 201].contains(&answer.status), "{}", answer.text);
    }

    fn patch(&self, id: &str, body: Value) {
        self.app.storefront().patch(&format!("/v1/customers/{id}"), &body).expect(200);
    }

    /// Somebody comes, goes or moves; never one of those who stay as they are.
    fn change(&mut self) {
        let (id, day) = (self.dice.pick(&self.moving).clone(), self.dice.day());
        match self.dice.below(9) {
            0 => self.add_moving(),
            1 if self.moving.len() > 4 => {
                self.app.admin().delete(&format!("/v1/customers/{id}")).expect(204);
                self.moving.retain(|other| *other != id);
            }
            2 => {
                let name = format!("Name {:02}", self.dice.below(100));
                self.patch(&id, json!({"name": name}));
            }
            3 => self.patch(&id, json!({"joined_at": format!("{day}T09:00:00Z")})),
            4 => {
                let state = *self.dice.pick(&["active", "paused"]);
                self.designate(&id, &day, state).expect(200);
            }
            5 => {
                let status = *self.dice.pick(&["caution", "do_not_serve"]);
                self.set_status(&id, status);
            }
            6 => self.set_status(&id, "vip"),
            7 => {
                self.made += 1;
                let order = format!("o-{:02}-v{}", self.dice.below(100), self.made);
                let status = *self.dice.pick(&["completed", "pending"]);
                self.put_order(&order, &id, &day, status);
                self.orders.push((order, id));
            }
            _ => {
                let (order, customer) = self.dice.pick(&self.orders).clone();
                let status = *self.dice.pick(&["completed", "pending", "cancelled"]);
                self.put_order(&order, &customer, &day, status);
            }
        }
    }

    /// The rows that stay as they are, as a list that is read page by page
    /// names them, while that many changes are made.
    fn read(&mut self, path: &str, field: &str, limit: u64, changes: u64) -> Vec<String> {
        let (mut found, mut cursor, mut left) = (Vec::new(), String::new(), changes);
        let join = if path.contains('?') { '&' } else { '?' };
        for _ in 0..2_000 {
            let url = format!("{path}{join}limit={limit}{cursor}");
            let body = self.app.manager().get(&url).expect(200).body;
            let list = ["designations", "customers", "orders"]
                .into_iter()
                .find(|list| body[list].is_array())
                .unwrap();
            let ids = body[list].as_array().unwrap().iter().map(|row| row[field].as_str().unwrap());
            found.extend(ids.filter(|id| id.contains("-s")).map(str::to_owned));
            let Some(next) = body["next_cursor"].as_str() else { return found };
            cursor = format!("&cursor={next}");
            for _ in 0..left.min(1 + self.dice.below(2)) {
                self.change();
                left -= 1;
            }
        }
        panic!("{path} does not end");
    }

    /// Reads a list under each of these queries, with and without changes.
    fn check(&mut self, path: &str, field: &str, queries: &[(&str, usize)]) {
        for (i, (query, count)) in (0..).zip(queries) {
            let path = format!("{path}?{query}");
            let expected = self.read(&path, field, 200, 0);
            assert_eq!(expected.len(), *count, "{path}: {expected:?}");
            let found = self.read(&path, field, 1 + i % 3, CHANGES);
            assert_eq!(found, expected, "{path}");
        }
    }
}

on_both! {
    fn the_vip_list_neither_skips_nor_repeats(app) {
        Shop::open(app, 1).check("/v1/designations", "customer_id", &[
            ("sort=customer_id", 10),
            ("sort=-customer_id", 10),
            ("sort=name", 10),
            ("sort=-name", 10),
            ("sort=since", 10),
            ("sort=-since", 10),
            ("sort=lifetime_spend", 10),
            ("sort=-lifetime_spend", 10),
            ("sort=last_order_at", 10),
            ("sort=-last_order_at", 10),
            // Those who are paused meanwhile leave these.
            ("state=active&sort=-since", 10),
            ("state=active&since_from=2024-02-01&sort=name", 8),
        ]);
    }

    fn the_list_of_customers_neither_skips_nor_repeats(app) {
        Shop::open(app, 2).check("/v1/customers", "customer_id", &[
            ("sort=customer_id", 10),
            ("sort=-customer_id", 10),
            ("sort=name", 10),
            ("sort=-name", 10),
            ("sort=lifetime_spend", 10),
            ("sort=-lifetime_spend", 10),
            ("sort=last_order_at", 10),
            ("sort=-last_order_at", 10),
            ("sort=joined_at", 10),
            ("sort=-joined_at", 10),
            ("sort=status", 10),
            ("sort=-status", 10),
            // Those whose status changes meanwhile leave these and come to them.
            ("vip=true&sort=-status", 10),
            ("status=caution&sort=name", 2),
        ]);
    }

    fn the_list_of_orders_neither_skips_nor_repeats(app) {
        Shop::open(app, 3).check("/v1/orders", "order_id", &[
            ("sort=-placed_at", 20),
            ("sort=placed_at", 20),
            ("sort=-customer_status", 20),
            ("sort=customer_status", 20),
            ("status=pending&sort=placed_at", 10),
            ("status=pending&sort=-customer_status", 10),
            ("customer_status=vip&sort=-placed_at", 12),
            ("customer_status=do_not_serve", 4),
        ]);
    }
}
