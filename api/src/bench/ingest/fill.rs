//! Fills a folder with a plant, for measurements that ask and do not write.

use std::time::Instant;

use crate::bench::client::http::Http;
use crate::bench::folder::{Fed, Folder};
use crate::bench::ingest::feed;
use crate::bench::ingest::load::{self, Messages};
use crate::bench::ingest::settle::{self, SEAL_AFTER_S};
use crate::bench::plant::{Plant, PlantOptions};
use crate::bench::server::{Server, password};

/// Points of a batch, and connections.
const SHAPE: (usize, usize) = (50_000, 2);

/// Feeds a plant to a server of its own and leaves its segments in the folder.
pub async fn fill(folder: &Folder, options: PlantOptions) -> Result<Fed, String> {
    let dealt = load::make::<Messages>(&mut Plant::new(options), SHAPE, u64::MAX).await?;
    let config = format!("[compaction]\nseal_after_s = {SEAL_AFTER_S}\n");
    let server = Server::serve(folder, &config).await?;
    let (mut http, token) = Http::log_in(server.http, &password(folder)?).await?;
    let feeding = feed::by_flight((server.flight, &token), dealt, None).await?;
    settle::settle(&server, &mut http, Instant::now()).await?;
    server.stop().await?;
    let (signals, ticks, seed) = (options.signals, options.ticks, options.seed);
    let fed = Fed { signals, ticks, seed, points: feeding.points };
    folder.remember(&fed)?;
    Ok(fed)
}
