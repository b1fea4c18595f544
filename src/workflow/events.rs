//! Numbering events once they are committed.

use super::Result;
use super::background::Worker;
use crate::db::{Db, events};
use crate::domain::id::StoreId;
use std::time::Duration;

/// How many events a transaction numbers, and how many stores a round sees.
const BATCH: i64 = 500;
/// How long to rest when nothing waits.
const REST: Duration = Duration::from_millis(200);

/// Numbers all events that are committed by now.
///
/// # Errors
/// [`super::Error`] from the database.
pub async fn number(db: &Db) -> Result<()> {
    let stores = db.read(|tx| Ok::<_, super::Error>(events::stores_to_number(tx, BATCH)?)).await?;
    for store in stores {
        let store = StoreId::parse(&store)?;
        let full = usize::try_from(BATCH).unwrap_or(usize::MAX);
        loop {
            let of = store.clone();
            let numbered =
                db.write(move |tx| Ok::<_, super::Error>(events::number(tx, &of, BATCH)?)).await?;
            if numbered < full {
                break;
            }
        }
    }
    Ok(())
}

/// Numbers events until it is dropped.
pub async fn work(db: Db, worker: &Worker) {
    loop {
        worker.note(number(&db).await, "numbering events");
        tokio::time::sleep(REST).await;
    }
}
