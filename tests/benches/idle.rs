//! Heap of a kept connection, under both runtimes, against the program's own sink.
//!
//! ```text
//! cargo build --release -p smtp-forward && cargo bench -p smtp-testkit --bench idle
//! ```

use std::{future::poll_fn, task::Poll, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use smtp_proto::{Outcome, Plan};

mod support;
use support::{CONTENT, Sink, envelope, plan};

#[global_allocator]
static ALLOCATOR: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

const CONNECTIONS: usize = 1_000;

fn main() {
    // Slow, so that all connections are open at the same time.
    let slow = Sink::start(&["--latency", "2s"]);
    let plan = plan(&slow.endpoint, CONNECTIONS);
    for (runtime, kept) in [("tokio", tokio(&plan)), ("async-std", async_std(&plan))] {
        println!("{runtime}: {} octets of heap per idle connection, of {CONNECTIONS}", kept / CONNECTIONS);
    }
}

macro_rules! runtime {
    ($name:ident, $adapter:ident, $block_on:expr) => {
        /// Opens so many connections and leaves them; the heap they hold.
        fn $name(plan: &Plan) -> usize {
            $block_on(async {
                let client = $adapter::Client::new(plan.clone());
                let deliver = |client: $adapter::Client| async move {
                    // Boxed, so that a waker that outlives it keeps little of it.
                    let report =
                        Box::pin(client.send(envelope(), CONTENT)).await.expect("nothing fails here");
                    assert_eq!(report.outcome(), Outcome::Delivered, "{report:?}");
                };
                deliver(client.clone()).await;
                let before = ALLOCATOR.current_usage();
                ramp((0..CONNECTIONS).map(|_| deliver(client.clone()))).await;
                let kept = ALLOCATOR.current_usage().saturating_sub(before);
                client.close().await;
                kept
            })
        }
    };
}

runtime!(tokio, smtp_client_tokio, |future| {
    let runtime = ::tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(future)
});
runtime!(async_std, smtp_client_async_std, ::async_std::task::block_on);

/// Runs all of them on this thread, begun a few at a time, so that no server has too many clients who are waiting to be taken.
async fn ramp<F: Future<Output = ()>>(mut futures: impl Iterator<Item = F> + Unpin) {
    let mut begun = FuturesUnordered::new();
    poll_fn(|cx| {
        for future in futures.by_ref() {
            begun.push(future);
            let _ = begun.poll_next_unpin(cx);
            std::thread::sleep(Duration::from_millis(1));
        }
        while std::task::ready!(begun.poll_next_unpin(cx)).is_some() {}
        Poll::Ready(())
    })
    .await;
}
