//! One answer for each row of the table, and what the parser promises.

use crate::lane::batch::{ItemVerdict, Scope, Verdict};
use crate::output::opensearch::verdict::{Answer, TYPES, judge, refused};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

fn answer(status: u16, body: &[u8]) -> Answer<'_> {
    Answer { status, body, ..Answer::default() }
}

fn bulk_of(items: Vec<Value>) -> Vec<u8> {
    let items: Vec<Value> = items.into_iter().map(|item| json!({ "create": item })).collect();
    json!({ "took": 3, "errors": true, "items": items }).to_string().into_bytes()
}

fn good() -> Value {
    json!({ "status": 201 })
}

fn bad(status: u16, kind: &str, reason: &str) -> Value {
    json!({ "status": status, "error": { "type": kind, "reason": reason, "index": "logs", "shard": "0" } })
}

/// Item status, type, reason as the service words it, what becomes of the item.
const ITEMS: &[(u16, &str, &str, &str)] = &[
    (400, "illegal_argument_exception", "Document ID is not supported in create/index operation request", "hold"),
    (400, "", "no handler found for uri [/x/logs/_bulk] and method [POST]", "hold"),
    (409, "version_conflict_engine_exception", "[x]: version conflict, document already exists", "already"),
    (429, "rejected_execution_exception", "rejected execution of primary operation", "retry"),
    (429, "es_rejected_execution_exception", "rejected execution of coordinating operation", "retry"),
    (429, "opensearch_rejected_execution_exception", "rejected execution", "retry"),
    (429, "circuit_breaking_exception", "[parent] Data too large", "retry"),
    (503, "unavailable_shards_exception", "[logs][0] primary shard is not active Timeout: [1m]", "retry"),
    (503, "no_shard_available_action_exception", "No shard available", "retry"),
    (503, "process_cluster_event_timeout_exception", "failed to process cluster event within 30s", "retry"),
    (503, "cluster_manager_not_discovered_exception", "", "retry"),
    (503, "master_not_discovered_exception", "", "retry"),
    (500, "node_closed_exception", "node closed", "retry"),
    (500, "node_not_connected_exception", "Node not connected", "retry"),
    (500, "node_disconnected_exception", "disconnected", "retry"),
    (500, "connect_transport_exception", "connect_exception", "retry"),
    (500, "receive_timeout_transport_exception", "request_id [9] timed out", "retry"),
    (500, "timeout_exception", "timed out", "retry"),
    (404, "shard_not_found_exception", "no such shard", "retry"),
    (503, "shard_not_in_primary_mode_exception", "CurrentState[STARTED] shard is not in primary mode", "retry"),
    (404, "illegal_index_shard_state_exception", "operation only allowed when", "retry"),
    (503, "index_shard_not_started_exception", "not started", "retry"),
    (503, "index_shard_relocated_exception", "relocated", "retry"),
    (503, "index_shard_closed_exception", "closed", "retry"),
    (429, "throttling_exception", "too many requests", "retry"),
    (403, "cluster_block_exception", "index [logs] blocked by: [FORBIDDEN/8/index write (api)];", "hold"),
    (
        429,
        "cluster_block_exception",
        "blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark]",
        "hold",
    ),
    (403, "index_create_block_exception", "blocked by: [FORBIDDEN/10/cluster create-index blocked (api)];", "hold"),
    (
        400,
        "validation_exception",
        "Validation Failed: 1: this action would add [2] total shards, but this cluster currently has [1000]/[1000] \
         maximum shards open;",
        "hold",
    ),
    (400, "validation_exception", "Validation Failed: 1: something new;", "hold"),
    (400, "index_closed_exception", "closed", "hold"),
    (404, "index_not_found_exception", "no such index [logs] and [action.auto_create_index] is [false]", "hold"),
    (400, "invalid_index_name_exception", "Invalid index name [Logs], must be lowercase", "hold"),
    (403, "security_exception", "no permissions for [indices:data/write/bulk[s]] and User [name=agent]", "hold"),
    (400, "mapper_parsing_exception", "Failed to parse mapping [_doc]: No handler for type [txt]", "hold"),
    (400, "mapper_parsing_exception", "failed to parse field [n] of type [long] in document with id 'x'", "reject"),
    (400, "document_parsing_exception", "[1:9] failed to parse field [n] of type [long]", "reject"),
    (
        400,
        "strict_dynamic_mapping_exception",
        "mapping set to strict, dynamic introduction of [a] is not allowed",
        "reject",
    ),
    (
        400,
        "strict_dynamic_mapping_exception",
        "dynamic introduction of [@timestamp] within [_doc] is not allowed",
        "hold",
    ),
    (400, "strict_dynamic_mapping_exception", "dynamic introduction of [time] within [_doc] is not allowed", "hold"),
    (400, "strict_dynamic_mapping_exception", "dynamic introduction of [stream] within [_doc] is not allowed", "hold"),
    (400, "strict_dynamic_mapping_exception", "dynamic introduction of [log] within [_doc] is not allowed", "hold"),
    (
        400,
        "strict_dynamic_mapping_exception",
        "dynamic introduction of [kubernetes] within [_doc] is not allowed",
        "hold",
    ),
    (400, "x_content_parse_exception", "Duplicate field 'log'", "reject"),
    (400, "json_parse_exception", "Duplicate field 'time'", "reject"),
    (400, "json_e_o_f_exception", "Unexpected end-of-input", "reject"),
    (400, "stream_constraints_exception", "String value length exceeds the maximum allowed", "reject"),
    (400, "max_bytes_length_exceeded_exception", "bytes can be at most 32766 in length", "reject"),
    (400, "illegal_argument_exception", "Limit of total fields [1000] has been exceeded", "reject"),
    (
        400,
        "illegal_argument_exception",
        "Limit of mapping depth [20] has been exceeded due to object field [a.b]",
        "reject",
    ),
    (400, "illegal_argument_exception", "Limit of nested fields [50] has been exceeded", "reject"),
    (
        400,
        "illegal_argument_exception",
        "The number of nested documents has exceeded the allowed limit of [10000].",
        "reject",
    ),
    (400, "illegal_argument_exception", "Document contains at least one immense term in field=\"a\"", "reject"),
    (400, "illegal_argument_exception", "mapper [a] cannot be changed from type [long] to [text]", "reject"),
    (400, "illegal_argument_exception", "can't merge a non object mapping [a] with an object mapping", "reject"),
    (400, "illegal_argument_exception", "Mapper for [a] conflicts with existing mapping:", "reject"),
    (400, "illegal_argument_exception", "field name cannot be an empty string", "reject"),
    (400, "illegal_argument_exception", "Malformed action/metadata line [1]", "reject"),
    (400, "illegal_argument_exception", "pipeline with id [x] does not exist", "hold"),
    (400, "illegal_argument_exception", "no write index is defined for alias [logs].", "hold"),
    (400, "illegal_argument_exception", "number of documents in the index cannot exceed 2147483519", "hold"),
    (400, "illegal_argument_exception", "this action would add [2] total shards, but ... maximum shards open", "hold"),
    (400, "illegal_argument_exception", "only write ops with an op_type of create are allowed in data streams", "hold"),
    (500, "remote_transport_exception", "[node][127.0.0.1:9300][indices:data/write/bulk[s]]", "hold"),
    (500, "transport_exception", "", "hold"),
    (500, "exception", "", "hold"),
    (500, "opensearch_exception", "", "hold"),
    (500, "uncategorized_execution_exception", "", "hold"),
    (500, "null_pointer_exception", "", "hold"),
    (400, "nobody_knows_this_exception", "limit of total fields", "hold"),
    (429, "nobody_knows_this_exception", "", "retry"),
    (503, "nobody_knows_this_exception", "", "retry"),
    (409, "nobody_knows_this_exception", "", "hold"),
    (413, "", "", "hold"),
];

fn label(item: &ItemVerdict) -> &'static str {
    match item {
        ItemVerdict::Already => "already",
        ItemVerdict::Retry(_) => "retry",
        ItemVerdict::Hold(_) => "hold",
        ItemVerdict::Reject { .. } => "reject",
        ItemVerdict::Dropped(_) => "dropped",
    }
}

#[test]
fn each_item_has_its_verdict() {
    for (status, kind, reason, want) in ITEMS {
        // A rejected neighbour keeps the item's verdict from becoming that of the whole batch.
        let neighbour = bad(400, "strict_dynamic_mapping_exception", "neighbour");
        let body = bulk_of(vec![good(), bad(*status, kind, reason), neighbour]);
        let Verdict::Items(items) = judge(&answer(200, &body), 3) else { panic!("{kind}: not by item") };
        let [(1, item), (2, _)] = items.as_slice() else { panic!("{kind}: {items:?}") };
        assert_eq!(label(item), *want, "{status} {kind} {reason}: {item:?}");
        if let ItemVerdict::Reject { say, .. } = item {
            assert!(say.contains(reason), "{say}");
        }
    }
}

#[test]
fn each_row_of_the_table_has_an_item() {
    let fits = |row: &(&str, &str, _), kind: &str, reason: &str| {
        (row.0.is_empty() || row.0 == kind) && reason.to_ascii_lowercase().contains(row.1)
    };
    let hit = |at: usize| {
        ITEMS.iter().any(|(_, kind, reason, _)| TYPES.iter().position(|row| fits(row, kind, reason)) == Some(at))
    };
    for (at, row) in TYPES.iter().enumerate() {
        assert!(hit(at), "no item for {} {:?}", row.0, row.1);
    }
}

#[test]
fn all_good_is_delivered_and_what_was_there_is_counted() {
    let body = br#"{"took":1,"errors":false,"items":[{"create":{"status":201}},{"create":{"status":200}}]}"#;
    assert_eq!(judge(&answer(200, body), 2), Verdict::Delivered { already: 0 });
    let conflict = bad(409, "version_conflict_engine_exception", "exists");
    let body = bulk_of(vec![conflict.clone(), good(), conflict]);
    assert_eq!(judge(&answer(200, &body), 3), Verdict::Delivered { already: 2 });
}

#[test]
fn an_answer_about_another_number_of_items_is_no_answer() {
    let body = bulk_of(vec![good(), good()]);
    for sent in [0, 1, 3] {
        assert!(matches!(judge(&answer(200, &body), sent), Verdict::Unknown { .. }), "{sent}");
    }
    for body in ["", "{}", " {", r#"{"errors":false}"#, r#"{"items":[{"create":{}}]}"#, r#"{"items":[{"#] {
        assert!(matches!(judge(&answer(200, body.as_bytes()), 1), Verdict::Unknown { .. }), "{body}");
    }
    let twice = br#"{"items":[{"create":{"status":201}}],"items":[{"create":{"status":201}}]}"#;
    assert!(matches!(judge(&answer(200, twice), 1), Verdict::Unknown { .. }));
}

#[test]
fn one_answer_for_all_items_is_one_for_the_batch_and_says_what_to_do() {
    let block = bad(429, "cluster_block_exception", "disk usage exceeded flood-stage watermark");
    let Verdict::Hold { code, scope, say } = judge(&answer(200, &bulk_of(vec![block.clone(), block])), 2) else {
        panic!("not held")
    };
    assert_eq!((code.as_str(), scope), ("cluster_block_exception", Scope::Key));
    assert!(say.contains("free space") && say.contains("flood-stage"), "{say}");

    let busy = bad(429, "rejected_execution_exception", "queue full");
    let body = bulk_of(vec![busy.clone(), busy.clone()]);
    let after = Some(Duration::from_secs(4));
    let Verdict::Retry { after: got, .. } = judge(&Answer { after, ..answer(200, &body) }, 2) else {
        panic!("not retried")
    };
    assert_eq!(got, after);
    assert!(matches!(judge(&answer(200, &bulk_of(vec![busy, good()])), 2), Verdict::Items(items) if items.len() == 1));

    let no_ids =
        bad(400, "illegal_argument_exception", "Document ID is not supported in create/index operation request");
    let Verdict::Hold { say, .. } = judge(&answer(200, &bulk_of(vec![no_ids])), 1) else { panic!("not held") };
    assert!(say.contains("document_id: none"), "{say}");

    let poison = bad(400, "mapper_parsing_exception", "failed to parse field [n]");
    let body = bulk_of(vec![poison]);
    assert!(matches!(judge(&answer(200, &body), 1), Verdict::Items(items) if label(&items[0].1) == "reject"));
}

#[test]
fn a_wrapped_cause_decides_and_an_unknown_wrapper_does_not_hide_a_hold() {
    let wrapped = json!({ "status": 429, "error": { "type": "remote_transport_exception", "reason": "[n1]",
        "caused_by": { "type": "rejected_execution_exception", "reason": "queue full" } } });
    assert!(matches!(judge(&answer(200, &bulk_of(vec![wrapped])), 1), Verdict::Retry { .. }));
    let unknown = json!({ "status": 400, "error": { "type": "odd_exception", "reason": "x",
        "caused_by": { "type": "strict_dynamic_mapping_exception", "reason": "strict" } } });
    assert!(matches!(judge(&answer(200, &bulk_of(vec![unknown])), 1), Verdict::Hold { .. }));
    let cause = json!({ "status": 400, "error": { "type": "mapper_parsing_exception", "reason": "failed to parse",
        "caused_by": { "type": "illegal_argument_exception", "reason": "For input string: \"abc\"" } } });
    let Verdict::Items(items) = judge(&answer(200, &bulk_of(vec![cause])), 1) else { panic!("not by item") };
    let ItemVerdict::Reject { say, .. } = &items[0].1 else { panic!("not rejected") };
    assert!(say.contains("failed to parse: For input string"), "{say}");
}

/// Status, body, verdict of the whole request.
const WHOLE: &[(u16, &str, &str)] = &[
    (401, "Unauthorized", "hold lane"),
    (401, r#"{"status":401,"error":{"reason":"401 Unauthorized","type":"security_exception"}}"#, "hold lane"),
    (
        403,
        r#"{"error":{"type":"security_exception","reason":"no permissions for [indices:data/write/bulk]"},"status":403}"#,
        "hold key",
    ),
    (403, r#"{"Message":"User: arn:aws:iam::1:role/x is not authorized to perform: es:ESHttpPost"}"#, "hold key"),
    (403, r#"{"message":"The security token included in the request is expired"}"#, "hold lane"),
    (
        403,
        r#"{"message":"The request signature we calculated does not match the signature you provided."}"#,
        "hold lane",
    ),
    (403, r#"{"message":"Signature expired: 20261122T101500Z is now earlier than 20261122T102500Z"}"#, "hold lane"),
    (403, r#"{"status":403,"request-id":"r","error":{"reason":"403 Forbidden","type":"Forbidden"}}"#, "hold key"),
    (403, r#"{"error":{"type":"cluster_block_exception","reason":"blocked"},"status":403}"#, "hold key"),
    (404, r#"{"error":{"type":"index_not_found_exception","reason":"no such index [logs]"},"status":404}"#, "hold key"),
    (404, "not here", "hold key"),
    (405, "", "hold lane"),
    (406, r#"{"error":"Content-Type header [text/plain] is not supported","status":406}"#, "hold lane"),
    (415, "", "hold lane"),
    (408, "", "retry"),
    (413, "<html>413 Request Entity Too Large</html>", "split"),
    (413, r#"{"Message":"Request size exceeded 10485760 bytes"}"#, "split"),
    (429, r#"{"error":{"type":"circuit_breaking_exception","reason":"[inflight]"},"status":429}"#, "retry"),
    (429, r#"{"error":{"type":"rejected_execution_exception","reason":"coordinating"},"status":429}"#, "retry"),
    (429, r#"{"error":{"type":"cluster_block_exception","reason":"flood stage"},"status":429}"#, "hold key"),
    (429, "Too Many Requests", "retry"),
    (500, r#"{"error":{"type":"null_pointer_exception","reason":null},"status":500}"#, "retry"),
    (502, "Bad Gateway", "retry"),
    (503, r#"{"message":"Service Unavailable"}"#, "retry"),
    (504, "", "retry"),
    (301, "", "hold lane"),
    (308, "", "hold lane"),
    (
        400,
        r#"{"error":{"type":"illegal_argument_exception","reason":"Malformed action/metadata line [3]"},"status":400}"#,
        "reject",
    ),
    (400, r#"{"error":{"type":"json_parse_exception","reason":"Unexpected character"},"status":400}"#, "reject"),
    (
        400,
        r#"{"error":{"type":"illegal_argument_exception","reason":"Document ID is not supported"},"status":400}"#,
        "hold key",
    ),
    (
        400,
        r#"{"error":{"type":"invalid_index_name_exception","reason":"Invalid index name"},"status":400}"#,
        "hold key",
    ),
    (400, "<html>The plain HTTP request was sent to HTTPS port</html>", "hold key"),
    (400, r#"{"error":"no handler found for uri [/x/logs/_bulk] and method [POST]"}"#, "hold key"),
    (400, r#"{"error":{"type":"something_new","reason":"x"},"status":400}"#, "hold key"),
    (418, "", "hold key"),
    (204, "", "hold key"),
    (0, "", "hold key"),
];

#[test]
fn each_answer_to_a_whole_request_has_its_verdict() {
    for (status, body, want) in WHOLE {
        let got = judge(&answer(*status, body.as_bytes()), 2);
        let name = match &got {
            Verdict::Hold { scope: Scope::Key, .. } => "hold key",
            Verdict::Hold { scope: Scope::Lane, .. } => "hold lane",
            Verdict::Retry { .. } => "retry",
            Verdict::Split { .. } => "split",
            Verdict::Reject { .. } => "reject",
            Verdict::Delivered { .. }
            | Verdict::Items(_)
            | Verdict::Staged { .. }
            | Verdict::Unknown { .. }
            | Verdict::NoUpload => panic!("{got:?}"),
        };
        assert_eq!(name, *want, "{status} {body}: {got:?}");
    }
}

#[test]
fn a_page_of_something_else_is_held_with_its_first_words() {
    for (status, code, advice) in
        [(200, "not_opensearch", "proxies"), (404, "http_404", "`url`"), (400, "http_400", "")]
    {
        let Verdict::Hold { code: got, say, .. } = judge(&answer(status, b"<html>\nWelcome to nginx!"), 1) else {
            panic!("{status} is not held")
        };
        assert!(got.as_str() == code && say.contains(advice) && say.contains("Welcome to nginx!"), "{got} {say}");
    }
}

#[test]
fn a_wrong_clock_is_called_one() {
    let late = br#"{"message":"Signature expired: 20261122T101500Z is now earlier than 20261122T102500Z"}"#;
    let Verdict::Hold { say, .. } = judge(&answer(403, late), 1) else { panic!("not held") };
    assert!(say.contains("clock"), "{say}");
}

#[test]
fn a_redirect_is_held_and_names_where_to() {
    let to = Answer { status: 302, location: Some("https://login.example.com/"), ..Answer::default() };
    let Verdict::Hold { say, .. } = judge(&to, 1) else { panic!("not held") };
    assert!(say.contains("https://login.example.com/"), "{say}");
}

#[test]
fn what_a_front_door_refuses_is_told_from_what_opensearch_refuses() {
    use crate::output::aws::faults::Fault;
    let ended = br#"{"message":"The security token included in the request is expired"}"#;
    let late = br#"{"message":"Signature expired: 20261122T101500Z is now earlier than 20261122T103500Z"}"#;
    let typed = br#"{"error":{"type":"security_exception","reason":"no permissions"}}"#;
    for (status, body, meant) in [
        (403, &ended[..], Some(Fault::Expired)),
        (403, late, Some(Fault::ClockSkew)),
        (401, b"", Some(Fault::Credentials)),
        (403, b"<html>", Some(Fault::Credentials)),
        (403, typed, None),
        (400, b"", None),
        (200, b"", None),
    ] {
        assert_eq!(refused(status, body), meant, "{status} {}", String::from_utf8_lossy(body));
    }
}

/// Answers as they come, for `proptest` to damage.
fn some_answer() -> impl Strategy<Value = Vec<u8>> {
    let item = prop::sample::select(ITEMS.to_vec());
    let items = prop::collection::vec((item, any::<bool>()), 0..6);
    items.prop_map(|items| {
        bulk_of(items.into_iter().map(|((s, k, r, _), fine)| if fine { good() } else { bad(s, k, r) }).collect())
    })
}

proptest! {
    #[test]
    fn any_bytes_have_a_verdict(status in any::<u16>(), body in prop::collection::vec(any::<u8>(), 0..300), sent in any::<u32>()) {
        judge(&answer(status, &body), sent);
        refused(status, &body);
    }

    #[test]
    fn a_damaged_answer_never_delivers_more_than_the_whole_one(
        body in some_answer(), cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let sent = body.windows(8).filter(|w| *w == b"\"create\"").count() as u32;
        let mut torn = body.clone();
        torn.truncate(cut.index(body.len()));
        prop_assert!(matches!(judge(&answer(200, &torn), sent), Verdict::Unknown { .. }), "a torn answer says nothing");
        let mut changed = body;
        let place = at.index(changed.len());
        changed[place] = byte;
        if let Verdict::Items(items) = judge(&answer(200, &changed), sent) {
            prop_assert!(items.iter().all(|(at, _)| *at < sent));
        }
    }
}
