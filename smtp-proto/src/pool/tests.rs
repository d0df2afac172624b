#![allow(clippy::disallowed_methods, reason = "only the core must not read the clock")]
#![allow(clippy::vec_box, reason = "as the pool gives them out")]

use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::{Config, Secret, cases};

const SECOND: Duration = Duration::from_secs(1);

/// A connection that is ready for a message.
fn ready(now: Instant) -> Connection {
    let mut connection = Connection::new(now, Arc::new(Config::new("client.example".parse().unwrap())));
    for said in ["220 mx.example\r\n", "250 mx.example\r\n"] {
        connection.handle_input(now, said.as_bytes());
        let written = connection.transmit().len();
        connection.handle_transmitted(now, written);
    }
    while connection.poll_event().is_some() {}
    assert!(connection.is_reusable());
    connection
}

fn idle(now: Instant, need: &Need) -> Idle {
    Idle {
        connection: Box::new(ready(now)),
        target: need.target,
        peer: None,
        credentials: need.credentials.clone(),
        fell_back_to_plaintext: false,
        opened: now,
        since: now,
        messages: 1,
    }
}

fn of(user: &str) -> Option<Credentials> {
    Some(Credentials::Password { user: user.to_owned(), password: Secret::from("secret".to_owned()) })
}

fn limits(connections: usize) -> Limits {
    Limits { connections, idle: 10 * SECOND, age: 60 * SECOND, messages: 3 }
}

fn fresh<T: fmt::Debug>(grant: Option<Grant<T>>) {
    assert!(matches!(grant, Some(Grant::Fresh)), "{grant:?}");
}

/// The number that a kept connection was put in with.
fn kept(grant: Option<Grant<u32>>) -> u32 {
    match grant {
        Some(Grant::Kept(_, number)) => number,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_connection_that_was_kept_last_serves_first() {
    let now = Instant::now();
    let mut pool = Pool::new(limits(3));
    let tickets = [0, 1, 2].map(|_| pool.request(now, Need::target(0)));
    let _ = tickets.map(|ticket| fresh(pool.collect(ticket)));
    for number in 0..3 {
        pool.keep(now + number * SECOND, idle(now + number * SECOND, &Need::target(0)), number);
    }
    let later = now + 3 * SECOND;
    for expected in [2, 1, 0] {
        let ticket = pool.request(later, Need::target(0));
        assert_eq!(kept(pool.collect(ticket)), expected);
    }
}

#[test]
fn whoever_asks_first_is_served_first() {
    let now = Instant::now();
    let mut pool = Pool::<u32>::new(limits(1));
    let first = pool.request(now, Need::target(0));
    let second = pool.request(now, Need::target(0));
    let third = pool.request(now, Need::target(0));
    let elsewhere = pool.request(now, Need::target(1));
    fresh(pool.collect(first));
    fresh(pool.collect(elsewhere)); // another target has connections of its own
    assert!(pool.collect(second).is_none() && pool.collect(third).is_none());
    while pool.poll_served().is_some() {}

    pool.release(now, 0);
    assert_eq!(pool.poll_served(), Some(second));
    pool.withdraw(now, second); // served, and gone before it came to fetch it
    assert_eq!(pool.poll_served(), Some(third));
    fresh(pool.collect(third));
}

#[test]
fn nobody_gets_a_connection_that_somebody_else_authenticated() {
    // D28: keyed by credentials
    let now = Instant::now();
    let alice = Need { credentials: of("alice"), ..Need::target(0) };
    let mut pool = Pool::new(limits(2));
    let ticket = pool.request(now, alice.clone());
    fresh(pool.collect(ticket));
    pool.keep(now, idle(now, &alice), 1);
    for other in [of("bob"), None] {
        let ticket = pool.request(now, Need { credentials: other, ..Need::target(0) });
        fresh(pool.collect(ticket));
        pool.release(now, 0);
    }
    let ticket = pool.request(now, alice);
    assert_eq!(kept(pool.collect(ticket)), 1);
}

#[test]
fn a_message_that_requires_tls_gets_no_plaintext_connection() {
    // R196
    let now = Instant::now();
    let mut pool = Pool::new(limits(2));
    let ticket = pool.request(now, Need::target(0));
    fresh(pool.collect(ticket));
    pool.keep(now, idle(now, &Need::target(0)), 1);
    let ticket = pool.request(now, Need { require_tls: true, ..Need::target(0) });
    fresh(pool.collect(ticket));
}

#[test]
fn what_suits_nobody_makes_room_and_counts_until_it_is_gone() {
    let now = Instant::now();
    let mut pool = Pool::new(limits(1));
    let ticket = pool.request(now, Need::target(0));
    fresh(pool.collect(ticket));
    pool.keep(now, idle(now, &Need::target(0)), 1);
    let ticket = pool.request(now, Need { credentials: of("alice"), ..Need::target(0) });
    assert!(pool.collect(ticket).is_none());
    let (goodbye, 1) = pool.poll_goodbye().unwrap() else { panic!() };
    assert!(pool.poll_goodbye().is_none());
    pool.release(now, goodbye.target());
    fresh(pool.collect(ticket));
}

#[test]
fn what_is_used_up_goes() {
    let now = Instant::now();
    #[allow(clippy::type_complexity, reason = "a row's types say what it is")]
    type WearOut = fn(&mut Idle);
    let rows: [(&str, WearOut); 3] = [
        ("as many messages as it may serve", |idle| idle.messages = 3),
        ("too old", |idle| idle.opened = idle.since.checked_sub(60 * SECOND).unwrap()),
        ("not in step", |idle| idle.connection.quit(idle.since)),
    ];
    for (why, wear_out) in rows {
        let now = now + 60 * SECOND;
        let mut pool = Pool::new(limits(1));
        let ticket = pool.request(now, Need::target(0));
        fresh(pool.collect(ticket));
        let mut worn = idle(now, &Need::target(0));
        wear_out(&mut worn);
        pool.keep(now, worn, 1);
        assert!(pool.poll_goodbye().is_some(), "{why}");
        assert!(!pool.is_empty(), "{why}: it is not gone yet");
        pool.release(now, 0);
        assert!(pool.is_empty(), "{why}");
    }
}

#[test]
fn what_is_idle_for_too_long_goes() {
    // N13
    let now = Instant::now();
    let mut pool = Pool::new(limits(2));
    let tickets = [0, 1].map(|_| pool.request(now, Need::target(0)));
    let _ = tickets.map(|ticket| fresh(pool.collect(ticket)));
    pool.keep(now, idle(now, &Need::target(0)), 1);
    pool.keep(now, idle(now + SECOND, &Need::target(0)), 2);
    assert_eq!(pool.poll_timeout(), Some(now + 10 * SECOND));
    pool.handle_timeout(now + 9 * SECOND);
    assert!(pool.poll_goodbye().is_none());
    pool.handle_timeout(now + 10 * SECOND);
    assert!(matches!(pool.poll_goodbye(), Some((_, 1))));
    assert_eq!(pool.poll_timeout(), Some(now + 11 * SECOND));
    // Also where nobody looked at the clock in time.
    let ticket = pool.request(now + 20 * SECOND, Need::target(0));
    assert!(matches!(pool.poll_goodbye(), Some((_, 2))));
    assert!(pool.collect(ticket).is_none());
    pool.release(now + 20 * SECOND, 0);
    fresh(pool.collect(ticket));
}

#[test]
fn a_closed_pool_keeps_nothing_and_still_serves() {
    let now = Instant::now();
    let mut pool = Pool::new(limits(2));
    let tickets = [0, 1].map(|_| pool.request(now, Need::target(0)));
    let _ = tickets.map(|ticket| fresh(pool.collect(ticket)));
    pool.keep(now, idle(now, &Need::target(0)), 1);
    pool.close();
    assert!(matches!(pool.poll_goodbye(), Some((_, 1))));
    pool.keep(now, idle(now, &Need::target(0)), 2);
    assert!(matches!(pool.poll_goodbye(), Some((_, 2))));
    pool.release(now, 0);
    let ticket = pool.request(now, Need::target(0));
    fresh(pool.collect(ticket));
    pool.release(now, 0);
    assert!(!pool.is_empty());
    pool.release(now, 0);
    assert!(pool.is_empty());
}

#[test]
fn who_gives_up_a_kept_connection_after_closing_lets_it_go() {
    let now = Instant::now();
    let mut pool = Pool::new(limits(1));
    let ticket = pool.request(now, Need::target(0));
    fresh(pool.collect(ticket));
    let ticket = pool.request(now, Need::target(0));
    pool.keep(now, idle(now, &Need::target(0)), 1);
    pool.close();
    pool.withdraw(now, ticket);
    assert_eq!(pool.idle(), 0);
    assert!(matches!(pool.poll_goodbye(), Some((_, 1))) && !pool.is_empty());
    pool.release(now, 0);
    assert!(pool.is_empty());
}

#[test]
fn who_stands_behind_somebody_who_gives_up_takes_what_did_not_do_for_him() {
    let now = Instant::now();
    let mut pool = Pool::new(limits(3));
    let tickets = [0, 1, 2].map(|_| pool.request(now, Need::target(0)));
    let _ = tickets.map(|ticket| fresh(pool.collect(ticket)));
    for number in 0..3 {
        pool.keep(now, idle(now, &Need::target(0)), number);
    }
    // Each of the two has one go to make room.
    let alice = pool.request(now, Need { credentials: of("alice"), ..Need::target(0) });
    let ticket = pool.request(now, Need::target(0));
    assert_eq!(std::iter::from_fn(|| pool.poll_goodbye()).count(), 2);
    pool.withdraw(now, alice);
    assert_eq!(kept(pool.collect(ticket)), 2);
}

#[derive(Clone, Debug)]
enum Step {
    Ask { target: usize, user: u8 },
    Fetch { which: usize },
    GiveUp { which: usize },
    Keep { which: usize, messages: u32 },
    Lose { which: usize },
    Part { which: usize },
    Wait { seconds: u64 },
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = 0..8_usize;
    let step = prop_oneof![
        6 => (0..2_usize, 0..3_u8).prop_map(|(target, user)| Step::Ask { target, user }),
        6 => which.clone().prop_map(|which| Step::Fetch { which }),
        2 => which.clone().prop_map(|which| Step::GiveUp { which }),
        5 => (which.clone(), 1..4_u32).prop_map(|(which, messages)| Step::Keep { which, messages }),
        2 => which.clone().prop_map(|which| Step::Lose { which }),
        3 => which.prop_map(|which| Step::Part { which }),
        2 => (0..15_u64).prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Close),
    ];
    proptest::collection::vec(step, 1..60)
}

fn need(target: usize, user: u8) -> Need {
    Need { credentials: [None, of("alice"), of("bob")][usize::from(user)].clone(), ..Need::target(target) }
}

/// What the world knows: who asked and was not served, who has a connection, which are saying goodbye.
struct World {
    pool: Pool<u32>,
    now: Instant,
    asking: Vec<(Ticket, Need)>,
    having: Vec<(Need, Option<Idle>)>,
    #[allow(clippy::vec_box, reason = "as the pool gives and takes them")]
    parting: Vec<Idle>,
    closed: bool,
}

impl World {
    fn step(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::Ask { target, user } => {
                let need = need(target, user);
                self.asking.push((self.pool.request(now, need.clone()), need));
            }
            Step::Fetch { which } if which < self.asking.len() => self.fetch(which),
            Step::GiveUp { which } if which < self.asking.len() => {
                self.pool.withdraw(now, self.asking.remove(which).0);
            }
            Step::Keep { which, messages } if which < self.having.len() => {
                let (need, kept) = self.having.remove(which);
                let mut kept = kept.unwrap_or_else(|| idle(now, &need));
                (kept.since, kept.messages) = (now, messages);
                self.pool.keep(now, kept, 0);
            }
            Step::Lose { which } if which < self.having.len() => {
                self.pool.release(now, self.having.remove(which).0.target);
            }
            Step::Part { which } if which < self.parting.len() => {
                self.pool.release(now, self.parting.remove(which).target());
            }
            Step::Wait { seconds } => {
                self.now += Duration::from_secs(seconds);
                self.pool.handle_timeout(self.now);
                assert!(self.pool.poll_timeout().is_none_or(|deadline| deadline > self.now)); // law 3
            }
            Step::Close => {
                self.pool.close();
                self.closed = true;
            }
            _ => {}
        }
        self.parting.extend(std::iter::from_fn(|| self.pool.poll_goodbye()).map(|(idle, _)| idle));
    }

    fn fetch(&mut self, which: usize) {
        let (ticket, need) = self.asking[which].clone();
        let Some(grant) = self.pool.collect(ticket) else { return };
        self.asking.remove(which);
        let kept = match grant {
            Grant::Fresh => None,
            Grant::Kept(idle, _) => {
                assert_eq!((idle.target, &idle.credentials), (need.target, &need.credentials));
                assert!(idle.messages < 3);
                Some(idle)
            }
        };
        self.having.push((need, kept));
    }

    fn check(&self) {
        for target in 0..2 {
            let held = self.having.iter().filter(|(need, _)| need.target == target).count();
            let parting = self.parting.iter().filter(|idle| idle.target() == target).count();
            let ready: BTreeSet<Ticket> = self.pool.granted.keys().copied().collect();
            let mine = self.asking.iter().filter(|(_, need)| need.target == target);
            let (served, waiting): (Vec<Ticket>, Vec<Ticket>) =
                mine.map(|(ticket, _)| *ticket).partition(|ticket| ready.contains(ticket));
            let idle = self.pool.lanes.get(&target).map_or(0, |lane| lane.idle.len());
            let all = held + parting + served.len() + idle;
            assert!(all <= 2, "{all} connections");
            assert!(!self.closed || idle == 0);
            // Nobody waits where there is room, or where something could make room.
            assert!(
                waiting.is_empty() || (all == 2 && idle == 0) || parting > 0,
                "{waiting:?} wait for nothing"
            );
            // First come, first served.
            assert!(served.iter().all(|served| waiting.iter().all(|waiting| served < waiting)));
        }
    }
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn there_are_never_more_than_there_may_be_and_nobody_waits_in_vain(steps in steps()) {
        let mut world = World {
            pool: Pool::new(limits(2)),
            now: Instant::now(),
            asking: Vec::new(),
            having: Vec::new(),
            parting: Vec::new(),
            closed: false,
        };
        for step in steps {
            world.step(step);
            world.check();
        }
        // When everybody has given back what they had, everybody is served.
        while !(world.asking.is_empty() && world.having.is_empty() && world.parting.is_empty()) {
            for step in [Step::Fetch { which: 0 }, Step::Lose { which: 0 }, Step::Part { which: 0 }] {
                world.step(step);
                world.check();
            }
        }
        world.step(Step::Close);
        while !world.parting.is_empty() {
            world.step(Step::Part { which: 0 });
        }
        prop_assert!(world.pool.is_empty());
    }
}

#[test]
fn who_was_served_while_waiting_is_told_unless_it_has_looked() {
    let now = Instant::now();
    let mut pool = Pool::<u32>::new(limits(3));
    let [first, second, third] = [0, 1, 2].map(|_| pool.request(now, Need::target(0)));
    fresh(pool.collect(second));
    assert_eq!(pool.poll_served(), Some(first));
    pool.withdraw(now, third);
    assert_eq!(pool.poll_served(), None);
    assert!(pool.collect(second).is_none(), "a ticket is good for one");
}

#[test]
fn a_connection_that_was_granted_and_not_fetched_is_idle_again() {
    let now = Instant::now();
    let mut pool = Pool::new(limits(1));
    let ticket = pool.request(now, Need::target(0));
    fresh(pool.collect(ticket));
    pool.keep(now, idle(now, &Need::target(0)), 7);
    let ticket = pool.request(now, Need::target(0));
    assert_eq!(pool.idle(), 0);
    pool.withdraw(now, ticket);
    assert_eq!(pool.idle(), 1);
    assert!(pool.poll_goodbye().is_none());
    // Once nothing is kept it goes, and counts until it is gone.
    let ticket = pool.request(now, Need::target(0));
    assert!(!pool.is_closed());
    pool.close();
    assert!(pool.is_closed());
    pool.withdraw(now, ticket);
    assert_eq!((pool.idle(), pool.is_empty()), (0, false));
    assert_eq!(pool.poll_goodbye().map(|(_, number)| number), Some(7));
    pool.release(now, 0);
    assert!(pool.is_empty());
}

#[test]
fn what_is_idle_can_be_taken_out_without_a_goodbye() {
    let now = Instant::now();
    let mut pool = Pool::new(limits(2));
    for (target, number) in [(0, 1), (1, 2)] {
        let ticket = pool.request(now, Need::target(target));
        fresh(pool.collect(ticket));
        pool.keep(now, idle(now, &Need::target(target)), number);
    }
    assert_eq!(pool.idle(), 2);
    let numbers: Vec<u32> = pool.clear().into_iter().map(|(_, number)| number).collect();
    assert_eq!(numbers, [1, 2]);
    assert!(pool.is_empty() && pool.poll_goodbye().is_none());
}

#[test]
fn a_connection_says_what_it_is_and_no_secret() {
    let now = Instant::now();
    let peer = Peer::Unix("/run/lmtp".into());
    let connection = Idle {
        peer: Some(peer.clone()),
        messages: 3,
        ..idle(now, &Need { credentials: of("ann"), ..Need::target(4) })
    };
    assert_eq!((connection.target(), connection.peer(), connection.messages()), (4, Some(&peer), 3));
    let shown = format!("{connection:?}");
    assert!(shown.contains("target: 4") && !shown.contains("secret"), "{shown}");
    assert_eq!(Limits::connections(7), Limits { connections: 7, ..Limits::default() });
}
