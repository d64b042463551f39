//! docs/conformance.md is what the tests say.

use rig::ledger::{self, Ledger};

/// Rows that must be proved, of 272.
const LEAST: usize = 200;

/// Issue 3, ledger: each row has a status, each proof is of the kind that its row demands, and
/// enough rows are proved.
#[test]
fn every_row_has_a_status() {
    let ledger = Ledger::of_repository().expect("sources and data are readable");
    assert!(ledger.complaints().is_empty(), "{:#?}", ledger.complaints());
    assert_eq!(ledger.len(), 272);
    assert!(ledger.proved() >= LEAST, "{} rows are proved", ledger.proved());
}

/// Issue 3, ledger: the committed table is the one that the sources give.
#[test]
fn the_table_is_up_to_date() {
    let ledger = Ledger::of_repository().expect("sources and data are readable");
    if let Err(error) = ledger::check_file(&ledger, &ledger::file()) {
        panic!("{error:#}");
    }
}
