//! The tables, the same on both databases. A test compares this with what the migrations make.

diesel::table! {
    programs (store_id) {
        store_id -> Text,
        version -> BigInt,
        document -> Text,
        updated_at -> BigInt,
        has_expiry -> Bool,
    }
}

diesel::table! {
    program_revisions (store_id, number) {
        store_id -> Text,
        number -> BigInt,
        effective_from -> BigInt,
        rules -> Text,
        recorded_at -> BigInt,
        recorded_by -> Text,
        superseded_by -> Nullable<BigInt>,
    }
}

diesel::table! {
    customers (store_id, customer_id) {
        store_id -> Text,
        customer_id -> Text,
        version -> BigInt,
        name -> Nullable<Text>,
        email -> Nullable<Text>,
        joined_at -> Nullable<BigInt>,
        birthday -> Nullable<Text>,
        preferred_channel -> Nullable<Text>,
        tags -> Text,
        subscription_amount -> Nullable<BigInt>,
        subscription_state -> Nullable<Text>,
        subscription_cancelled_at -> Nullable<BigInt>,
        print_vip_icon -> Bool,
        created_at -> BigInt,
        updated_at -> BigInt,
        erased_at -> Nullable<BigInt>,
        sort_name -> Text,
        search_text -> Text,
        flag -> Nullable<Text>,
        flag_note -> Nullable<Text>,
        flagged_at -> Nullable<BigInt>,
        flagged_by -> Nullable<Text>,
        vip_until -> Nullable<BigInt>,
        status -> BigInt,
        cancellations -> BigInt,
    }
}

diesel::table! {
    customer_tags (store_id, tag, customer_id) {
        store_id -> Text,
        tag -> Text,
        customer_id -> Text,
    }
}

diesel::table! {
    memberships (store_id, customer_id) {
        store_id -> Text,
        customer_id -> Text,
        sequence -> BigInt,
        program_version -> BigInt,
        through_at -> Nullable<BigInt>,
        through_kind -> Nullable<Integer>,
        through_id -> Nullable<Text>,
        first_fact_at -> Nullable<BigInt>,
        enrolled_at -> Nullable<BigInt>,
        first_tier_at -> Nullable<BigInt>,
        joined_at -> BigInt,
        last_order_at -> BigInt,
        folded_tier -> Nullable<Text>,
        folded_tier_since -> Nullable<BigInt>,
        period_start -> Nullable<BigInt>,
        period_end -> Nullable<BigInt>,
        progress_amount -> BigInt,
        progress_orders -> BigInt,
        progress_points -> BigInt,
        lifetime_amount -> BigInt,
        lifetime_orders -> BigInt,
        lifetime_points -> BigInt,
        reached_top -> Bool,
        fell_at -> Nullable<BigInt>,
        achievements -> Text,
        tier -> Nullable<Text>,
        due_at -> Nullable<BigInt>,
        tier_changes -> Text,
    }
}

diesel::table! {
    orders (store_id, order_id) {
        store_id -> Text,
        order_id -> Text,
        customer_id -> Text,
        version -> BigInt,
        status -> Text,
        total -> BigInt,
        refunded -> BigInt,
        placed_at -> BigInt,
        completed_at -> Nullable<BigInt>,
        updated_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    refunds (store_id, refund_id) {
        store_id -> Text,
        refund_id -> Text,
        order_id -> Text,
        customer_id -> Text,
        amount -> BigInt,
        refunded_at -> BigInt,
    }
}

diesel::table! {
    activities (store_id, activity_id) {
        store_id -> Text,
        activity_id -> Text,
        customer_id -> Text,
        version -> BigInt,
        kind -> Text,
        occurred_at -> BigInt,
        points -> Nullable<BigInt>,
        updated_at -> Nullable<BigInt>,
        referred_id -> Nullable<Text>,
        score -> Nullable<Integer>,
        channel -> Nullable<Text>,
        is_public -> Nullable<Bool>,
        resolved_at -> Nullable<BigInt>,
        agent -> Nullable<Text>,
        note -> Nullable<Text>,
        follow_up_on -> Nullable<Text>,
        way_to_earn -> Nullable<Text>,
    }
}

diesel::table! {
    earnings (store_id, source, source_id) {
        store_id -> Text,
        source -> Text,
        source_id -> Text,
        tier -> Nullable<Text>,
        rate -> Nullable<Text>,
        fixed -> Nullable<BigInt>,
        points_rate -> Text,
        credit -> BigInt,
        points -> BigInt,
    }
}

diesel::table! {
    ledger_entries (store_id, customer_id, number) {
        store_id -> Text,
        customer_id -> Text,
        number -> BigInt,
        kind -> Text,
        cause -> Text,
        credit -> BigInt,
        points -> BigInt,
        credit_balance -> BigInt,
        points_balance -> BigInt,
        tier -> Nullable<Text>,
        rate -> Nullable<Text>,
        fixed -> Nullable<BigInt>,
        points_rate -> Nullable<Text>,
        order_id -> Nullable<Text>,
        refund_id -> Nullable<Text>,
        activity_id -> Nullable<Text>,
        occurred_at -> BigInt,
        recorded_at -> BigInt,
        operator -> Nullable<Text>,
        note -> Nullable<Text>,
    }
}

diesel::table! {
    accounts (store_id, customer_id) {
        store_id -> Text,
        customer_id -> Text,
        credit -> BigInt,
        points -> BigInt,
        entries -> BigInt,
        active_at -> BigInt,
    }
}

diesel::table! {
    recalculations (store_id, recalculation_id) {
        store_id -> Text,
        recalculation_id -> Text,
        program_version -> BigInt,
        program -> Text,
        refold_from -> Nullable<BigInt>,
        is_dry_run -> Bool,
        allow_downgrades -> Bool,
        state -> Text,
        failure -> Nullable<Text>,
        started_at -> BigInt,
        finished_at -> Nullable<BigInt>,
        leased_until -> BigInt,
        done_through -> Nullable<Text>,
        customers_total -> BigInt,
        customers_done -> BigInt,
        customers_changed -> BigInt,
        customers_upgraded -> BigInt,
        customers_downgraded -> BigInt,
    }
}

diesel::table! {
    audit_entries (store_id, entry_id) {
        store_id -> Text,
        entry_id -> Text,
        recorded_at -> BigInt,
        subject -> Text,
        role -> Text,
        action -> Text,
        customer_id -> Nullable<Text>,
        values_after -> Text,
        values_before -> Text,
    }
}

diesel::table! {
    designations (store_id, customer_id) {
        store_id -> Text,
        customer_id -> Text,
        version -> BigInt,
        tier -> Nullable<Text>,
        tier_at -> BigInt,
        is_paused -> Bool,
        since -> Text,
        since_month -> Integer,
        benefits -> Text,
        benefits_dropped -> Text,
        notes -> Nullable<Text>,
        profile -> Nullable<Text>,
        priority -> Nullable<Text>,
        team -> Nullable<Text>,
        assigned_to -> Nullable<Text>,
        ends_at -> Nullable<BigInt>,
        grace_until -> Nullable<BigInt>,
        is_automatic -> Bool,
        designated_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        end_reason -> Nullable<Text>,
        removal_reason -> Nullable<Text>,
        removal_note -> Nullable<Text>,
        state -> Text,
        due_at -> Nullable<BigInt>,
        rule_code -> Nullable<Text>,
    }
}

diesel::table! {
    designation_spans (store_id, customer_id, from_at) {
        store_id -> Text,
        customer_id -> Text,
        from_at -> BigInt,
        until_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    qualifications (store_id, customer_id, rule_code) {
        store_id -> Text,
        customer_id -> Text,
        rule_code -> Text,
        met_since -> BigInt,
        rule_version -> BigInt,
        outcome -> Nullable<Text>,
    }
}

diesel::table! {
    nominations (store_id, nomination_id) {
        store_id -> Text,
        nomination_id -> Text,
        customer_id -> Text,
        state -> Text,
        source -> Text,
        rule_code -> Nullable<Text>,
        tier -> Nullable<Text>,
        benefits -> Text,
        profile -> Nullable<Text>,
        priority -> Nullable<Text>,
        assigned_to -> Nullable<Text>,
        findings -> Text,
        note -> Nullable<Text>,
        nominated_at -> BigInt,
        nominated_by -> Nullable<Text>,
        decided_at -> Nullable<BigInt>,
        decided_by -> Nullable<Text>,
        decision_note -> Nullable<Text>,
    }
}

diesel::table! {
    qualification_passes (store_id) {
        store_id -> Text,
        due_at -> BigInt,
        done_through -> Nullable<Text>,
        leased_until -> BigInt,
    }
}

diesel::table! {
    customer_links (store_id, customer_id, other_id) {
        store_id -> Text,
        customer_id -> Text,
        other_id -> Text,
        relation -> Text,
        note -> Nullable<Text>,
        linked_at -> BigInt,
    }
}

diesel::table! {
    audit_notes (store_id, entry_id) {
        store_id -> Text,
        entry_id -> Text,
        customer_id -> Nullable<Text>,
        note -> Text,
    }
}

diesel::table! {
    events (store_id, event_id) {
        store_id -> Text,
        event_id -> Text,
        number -> Nullable<BigInt>,
        kind -> Text,
        customer_id -> Text,
        recorded_at -> BigInt,
        data -> Text,
    }
}

diesel::table! {
    event_counters (store_id) {
        store_id -> Text,
        last_number -> BigInt,
    }
}

diesel::table! {
    kept_answers (store_id, operation, idempotency_key) {
        store_id -> Text,
        operation -> Text,
        idempotency_key -> Text,
        fingerprint -> Text,
        customer_id -> Nullable<Text>,
        kept_at -> BigInt,
        status -> BigInt,
        etag -> Nullable<Text>,
        body -> Text,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    programs,
    program_revisions,
    customers,
    customer_tags,
    memberships,
    orders,
    refunds,
    activities,
    recalculations,
    audit_entries,
    audit_notes,
    designations,
    customer_links,
    events,
    event_counters,
    designation_spans,
    qualifications,
    nominations,
    qualification_passes,
    earnings,
    ledger_entries,
    accounts,
    kept_answers,
);
