//! A record allocates nothing on its way from a block to a compressed body: counted, for every kind of output.
#![allow(unsafe_code, reason = "an allocator is unsafe by its trait; this one counts and passes on")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../benches/stages/corpus.rs"]
#[allow(dead_code, reason = "of the bench, which uses all of it")]
mod corpus;
#[path = "../benches/stages/drive.rs"]
mod drive;
#[path = "../benches/stages/formats.rs"]
mod formats;

use corpus::{Corpus, RECORDS, parts};
use drive::{Driven, Passed};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use tailrace::body::chunks::Pool;
use tailrace::config::checked::Compression;
use tailrace::lane::batch::Verdict;
use tailrace::lane::format::Format;
use tailrace::output::opensearch::verdict::{Answer, judge};
use tailrace::record::Grammar;

thread_local! {
    /// Of this thread alone, because tests run side by side. Nothing to drop, so it is there as long as the thread is.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    CALLS.with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: each call goes to the system's allocator as it came, and its answer comes back as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(block, layout, size) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn counted<T>(what: impl FnOnce() -> T) -> (u64, T) {
    let before = CALLS.get();
    let done = what();
    (CALLS.get() - before, done)
}

/// For each batch: its names, spans, account, notes for the store, the message to the service and its answer.
const A_BATCH: u64 = 100;
/// What shares its bytes with the request.
const A_CHUNK: u64 = 1;
/// What grows by doubling does so a few times more for twice as much.
const GROWTH: u64 = 4;

/// Twice the records cost no more than twice the batches and chunks, which are few: nothing for a record or a block.
fn check<F: Format>(grammar: Grammar, make: impl FnOnce(Arc<Pool>) -> F) {
    let corpus = Corpus::new();
    let text = if grammar == Grammar::Docker { &corpus.docker } else { &corpus.block };
    let half = parts(text, 2)[0];
    let pool = formats::pool();
    let mut lane = Driven::new(make(Arc::clone(&pool)), formats::origin(grammar), pool);
    // What is kept from batch to batch is made here.
    lane.deliver(&[text]);
    let (few, of_few) = counted(|| lane.deliver(&[half]));
    let (many, of_many) = counted(|| lane.deliver(&[text]));
    let (more, allowed) = (many - few, allowed(&of_many) - allowed(&of_few) + GROWTH);
    let records = of_many.items - of_few.items;
    assert!(of_many.items as usize == RECORDS && records >= 9_000);
    assert!(allowed < records / 4, "too much is allowed for an allocation a record to show: {allowed}");
    assert!(
        more <= allowed,
        "{records} records more: {more} allocations, {allowed} allowed; {few} for {of_few:?}, {many} for {of_many:?}"
    );
}

fn allowed(passed: &Passed) -> u64 {
    passed.batches * A_BATCH + passed.chunks * A_CHUNK
}

#[test]
fn a_record_to_cloudwatch_allocates_nothing() {
    check(Grammar::Cri, |pool| formats::cloudwatch(false, pool));
}

#[test]
fn a_record_to_cloudwatch_as_text_allocates_nothing() {
    check(Grammar::Cri, |pool| formats::cloudwatch(true, pool));
}

#[test]
fn a_record_to_s3_with_zstd_allocates_nothing() {
    check(Grammar::Cri, |pool| formats::s3(Compression::Zstd, pool));
}

#[test]
fn a_record_to_s3_with_gzip_allocates_nothing() {
    check(Grammar::Cri, |pool| formats::s3(Compression::Gzip, pool));
}

#[test]
fn a_record_to_opensearch_allocates_nothing() {
    check(Grammar::Cri, formats::opensearch);
}

#[test]
fn a_record_in_docker_s_format_allocates_nothing() {
    check(Grammar::Docker, formats::opensearch);
}

#[test]
fn an_item_of_a_bulk_s_answer_allocates_nothing() {
    let judged = |items: u32| {
        let all = vec![r#"{"create":{"status":201}}"#; items as usize].join(",");
        let body = format!(r#"{{"errors":false,"items":[{all}]}}"#);
        let answer = Answer { status: 200, body: body.as_bytes(), ..Answer::default() };
        let (calls, verdict) = counted(|| judge(&answer, items));
        assert_eq!(verdict, Verdict::Delivered { already: 0 });
        calls
    };
    assert_eq!(judged(10_000), judged(5_000));
}
