//! Messages over connections that are kept: a client with a pool against server machines that die when they like. What the client says
//! became of a message is what the servers know (D28, D29, laws 1, 2, 5, 8 and 9), and a connection that died while it was kept costs
//! nobody anything.

#![allow(clippy::disallowed_methods, reason = "only the core must not read the clock")]

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use proptest::{prelude::*, test_runner::FileFailurePersistence};
use smtp_proto::{
    Action, Config, Delivery, Disposition, Endpoint, Envelope, Failover, Notice, Peer, Phase, Plan,
    Recipient, Report, Sender,
    body::{LineBreaks, Scanner},
    pool::{Grant, Limits, Pool},
    reply::{Code, Reply},
    server,
};

/// How a connection ends, if not by QUIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    Never,
    /// When so many octets came from the client.
    Up(usize),
    /// When so many octets went to it.
    Down(usize),
    /// After so many messages, while it is idle: by an end of file, or
    Idle(usize),
    /// with a 421 before it, or
    Notice(usize),
    /// with something that makes no sense before it, or
    Nonsense(usize),
    /// by answering nothing any more.
    Mute(usize),
    /// When it has the content of so many messages, before it says so of the last one.
    Taken(usize),
}

#[derive(Clone, Debug)]
struct Message {
    content: Vec<u8>,
    rcpt: Vec<u16>,
    end: u16,
    /// Seconds before it.
    pause: u64,
    /// Its size is known beforehand: BDAT in one flight.
    known: bool,
}

#[derive(Clone, Debug)]
struct Setting {
    failover: Failover,
    split: usize,
    targets: usize,
    deaths: Vec<Death>,
    messages: Vec<Message>,
    limits: (u64, u32),
}

/// What a server took: which message, for which recipient, with what content.
type Taken = (usize, usize, Vec<u8>);

struct Line {
    machine: server::Connection,
    death: Death,
    up: VecDeque<u8>,
    down: VecDeque<u8>,
    moved: (usize, usize),
    served: usize,
    cut: bool,
    told: bool,
    current: usize,
    recipients: Vec<usize>,
    content: Vec<u8>,
    /// All that came from the client.
    said: Vec<u8>,
}

impl Line {
    fn new(now: Instant, death: Death) -> Self {
        let mut config = server::Config::new("mx.example".parse().unwrap());
        config.strict_pipelining = true; // law 7
        config.decisions = server::Decisions::ALL;
        config.decisions.data = false;
        Self {
            machine: server::Connection::new(now, Arc::new(config)),
            death,
            up: VecDeque::new(),
            down: VecDeque::new(),
            moved: (0, 0),
            served: 0,
            cut: false,
            told: false,
            current: 0,
            recipients: Vec::new(),
            content: Vec::new(),
            said: Vec::new(),
        }
    }

    /// The mail system behind the server.
    fn pump(&mut self, now: Instant, messages: &[Message], taken: &mut Vec<Taken>) {
        loop {
            let len = self.machine.content().len();
            self.content.extend_from_slice(self.machine.content());
            self.machine.take_content(now, len);
            let Some(event) = self.machine.poll_event() else { return };
            match event {
                server::Event::Mail { path, .. } => {
                    // The sender's address says which message it is.
                    let number = path.to_string();
                    self.current = number.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
                    (self.recipients, self.content) = (Vec::new(), Vec::new());
                    self.machine.accept(now).unwrap();
                }
                server::Event::Recipient { path, .. } => {
                    let number = path.to_string();
                    let number: usize = number.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
                    let code = messages[self.current].rcpt[number];
                    if code < 300 {
                        self.recipients.push(number);
                    }
                    self.machine.reply(now, reply(code)).unwrap();
                }
                server::Event::EndOfContent { .. } => {
                    let code = messages[self.current].end;
                    let content = std::mem::take(&mut self.content);
                    if code < 300 {
                        taken.extend(
                            self.recipients.iter().map(|number| (self.current, *number, content.clone())),
                        );
                    }
                    self.served += 1;
                    self.cut |= self.death == Death::Taken(self.served);
                    self.machine.reply(now, reply(code)).unwrap();
                }
                _ => {}
            }
        }
    }

    /// Dies as it is to die while nothing is under way.
    fn idle(&mut self) {
        let last_words: &[u8] = match self.death {
            Death::Idle(served) if served <= self.served => b"",
            Death::Notice(served) if served <= self.served => b"421 4.4.2 you are late\r\n",
            Death::Nonsense(served) if served <= self.served => b"250 2.0.0 what I forgot to say\r\n",
            _ => return,
        };
        self.down.extend(last_words);
        self.cut = true;
    }

    fn is_mute(&self) -> bool {
        matches!(self.death, Death::Mute(served) if served <= self.served)
    }
}

fn reply(code: u16) -> Reply {
    Reply::new(Code::new(code).unwrap(), "as told")
}

struct World<'a> {
    setting: &'a Setting,
    now: Instant,
    plan: Arc<Plan>,
    pool: Pool<usize>,
    lines: Vec<Line>,
    taken: Vec<Taken>,
    connects: usize,
    rewinds: usize,
}

impl<'a> World<'a> {
    fn new(setting: &'a Setting) -> Self {
        let config = Config::new("client.example".parse().unwrap());
        let endpoints =
            (0..setting.targets).map(|number| format!("tcp://10.0.0.{}:25", number + 1).parse().unwrap());
        let endpoints: Vec<Endpoint> = endpoints.collect();
        let mut limits = Limits::connections(1);
        limits.idle = Duration::from_secs(setting.limits.0);
        limits.messages = setting.limits.1;
        let plan =
            Plan::new(endpoints, &config).unwrap().with_failover(setting.failover).with_reuse(Some(limits));
        Self {
            setting,
            now: Instant::now(),
            pool: Pool::of(&plan).unwrap(),
            plan: Arc::new(plan),
            lines: Vec::new(),
            taken: Vec::new(),
            connects: 0,
            rewinds: 0,
        }
    }

    /// Carries a delivery out, over this line to begin with.
    fn deliver(&mut self, mut delivery: Delivery, mut line: Option<usize>, content: &[u8]) -> Report {
        let mut given = 0;
        let mut granted: Option<usize> = None;
        for _ in 0..100_000 {
            let mut moved = false;
            while let Some(action) = delivery.poll_action() {
                moved = true;
                match action {
                    Action::Acquire(need) => {
                        if let Some(target) = granted.replace(need.target) {
                            self.pool.release(self.now, target);
                        }
                        let ticket = self.pool.request(self.now, need);
                        self.part();
                        match self.pool.collect(ticket).expect("one at a time, so there is always room") {
                            Grant::Fresh => delivery.handle_acquired(self.now, None),
                            Grant::Kept(idle, kept) => {
                                line = Some(kept);
                                delivery.handle_acquired(self.now, Some(idle));
                            }
                        }
                    }
                    Action::Keep(idle) => {
                        assert_eq!(granted.take(), Some(idle.target()));
                        let line = line.take().expect("a transport");
                        assert!(!self.lines[line].told && self.lines[line].down.is_empty(), "in step (D29)");
                        self.pool.keep(self.now, idle, line);
                    }
                    Action::Connect(peer) => {
                        assert!(line.is_none(), "one transport at a time");
                        line = Some(self.connect(&peer));
                        delivery.handle_connected(self.now, Ok(()));
                    }
                    Action::Disconnect => line = None,
                    Action::Rewind => {
                        self.rewinds += 1;
                        given = 0;
                        delivery.handle_rewound(self.now, Ok(()));
                    }
                    Action::Finish(report) => {
                        assert!(line.is_none(), "nothing is left open");
                        if let Some(target) = granted {
                            self.pool.release(self.now, target);
                        }
                        return report;
                    }
                    Action::Resolve { .. } => panic!("addresses need no lookup"),
                    Action::Answer(..) => {}
                }
            }
            moved |= line.is_some_and(|line| self.read(line, &mut delivery));
            if delivery.body_credit() > 0 {
                moved = true;
                let len = (content.len() - given).min(delivery.body_credit()).min(self.setting.split);
                let _ = match &content[given..given + len] {
                    [] => delivery.finish_body(self.now),
                    octets => delivery.write_body(self.now, octets),
                };
                given += len;
            }
            moved |= line.is_some_and(|line| self.write(line, &mut delivery));
            if !moved {
                let deadline = delivery.poll_timeout().expect("nobody moves, nobody waits");
                self.now = deadline.max(self.now + Duration::from_millis(1));
                delivery.handle_timeout(self.now);
            }
        }
        panic!("no end in sight");
    }

    fn connect(&mut self, _: &Peer) -> usize {
        let death = self.setting.deaths.get(self.connects).copied().unwrap_or(Death::Never);
        self.connects += 1;
        self.lines.push(Line::new(self.now, death));
        self.lines.len() - 1
    }

    /// From the server; it is heard before anything is said.
    fn read(&mut self, line: usize, delivery: &mut Delivery) -> bool {
        let line = &mut self.lines[line];
        let left = match line.death {
            Death::Down(most) => most.saturating_sub(line.moved.1),
            _ => usize::MAX,
        };
        let len = line.down.len().min(self.setting.split).min(left);
        if len > 0 {
            let octets: Vec<u8> = line.down.drain(..len).collect();
            line.moved.1 += len;
            delivery.handle_input(self.now, &octets);
            return true;
        }
        line.cut |= left == 0;
        let over = line.cut || (line.machine.is_closed() && line.machine.transmit().is_empty());
        if over && !std::mem::replace(&mut line.told, true) {
            delivery.handle_closed(self.now, line.cut.then(|| io::ErrorKind::ConnectionReset.into()));
            return true;
        }
        false
    }

    /// To the server, and what it makes of it.
    fn write(&mut self, line: usize, delivery: &mut Delivery) -> bool {
        let line = &mut self.lines[line];
        let octets = delivery.transmit();
        let len = octets.len().min(self.setting.split);
        let mut moved = len > 0;
        line.up.extend(&octets[..len]);
        if len > 0 {
            delivery.handle_transmitted(self.now, len);
        }
        let left = match line.death {
            Death::Up(most) => most.saturating_sub(line.moved.0),
            _ if line.cut || line.is_mute() => 0,
            _ => usize::MAX,
        };
        let len = line.up.len().min(left);
        line.cut |= left == 0 && matches!(line.death, Death::Up(_));
        if len > 0 && line.machine.wants_input() {
            let octets: Vec<u8> = line.up.drain(..len).collect();
            line.moved.0 += len;
            line.said.extend(&octets);
            line.machine.handle_input(self.now, &octets);
            moved = true;
        }
        line.pump(self.now, &self.setting.messages, &mut self.taken);
        let said = line.machine.transmit().to_vec();
        if !said.is_empty() {
            line.machine.handle_transmitted(self.now, said.len());
            if !line.cut {
                line.down.extend(&said);
            }
            moved = true;
        }
        moved
    }

    /// Sees off what has to go.
    fn part(&mut self) {
        while let Some((idle, line)) = self.pool.poll_goodbye() {
            let target = idle.target();
            let farewell = Delivery::farewell(self.now, Arc::clone(&self.plan), idle);
            self.deliver(farewell, Some(line), b"");
            self.pool.release(self.now, target);
        }
    }

    fn run(&mut self) -> Vec<Report> {
        let mut reports = Vec::new();
        for (index, message) in self.setting.messages.iter().enumerate() {
            self.now += Duration::from_secs(message.pause);
            self.pool.handle_timeout(self.now);
            self.part();
            self.lines.iter_mut().for_each(Line::idle);
            let delivery = Delivery::new(self.now, Arc::clone(&self.plan), envelope(index, message));
            let before = self.rewinds;
            reports.push(self.deliver(delivery, None, &message.content));
            if self.setting.failover == Failover::UntilUsable {
                assert_eq!(self.rewinds, before, "law 5");
            }
        }
        self.pool.close();
        self.part();
        assert!(self.pool.is_empty());
        reports
    }
}

fn envelope(index: usize, message: &Message) -> Envelope {
    let mut sender = Sender::new(format!("m{index}@example.org").parse().unwrap());
    if message.known {
        let mut scanner = Scanner::new(LineBreaks::default());
        scanner.update(&message.content).unwrap();
        sender = sender.with_content(scanner.finish().unwrap());
    }
    let recipients = (0..message.rcpt.len())
        .map(|number| Recipient::new(format!("r{number}@example.net").parse().unwrap()))
        .collect();
    Envelope::new(sender, recipients)
}

fn check(setting: &Setting) {
    let mut world = World::new(setting);
    let reports = world.run();
    for (index, (message, report)) in setting.messages.iter().zip(&reports).enumerate() {
        assert_eq!(report.recipients.len(), message.rcpt.len(), "law 2");
        // In one flight over a connection that was in use a moment ago: there, only a death that nobody can notice does harm.
        let one_flight = message.known && message.pause < 2;
        for (number, recipient) in report.recipients.iter().enumerate() {
            let has = world.taken.iter().filter(|(taken, whose, _)| (*taken, *whose) == (index, number));
            let has: Vec<_> = has.collect();
            assert!(has.len() <= 1, "message {index} doubled for {number}: {report:#?}");
            assert!(has.iter().all(|(_, _, content)| *content == message.content), "octet for octet");
            match &recipient.disposition {
                Disposition::Delivered(_) => assert_eq!(has.len(), 1, "law 9: delivered, says who?"),
                Disposition::Deferred(_) | Disposition::Rejected(_) => {
                    assert_eq!(has.len(), 0, "a server has what the client calls undelivered: {report:#?}");
                }
                Disposition::Uncertain(_) => {
                    let cut = |death: &Death| match death {
                        Death::Up(_) | Death::Down(_) | Death::Taken(_) => true,
                        Death::Mute(_) => one_flight,
                        _ => false,
                    };
                    assert!(setting.deaths.iter().any(cut), "uncertain for no reason: {report:#?}");
                }
            }
            // D28: a connection that dies while it is kept does no harm.
            let harmless = |death: &Death| match death {
                Death::Never | Death::Idle(1..) | Death::Notice(1..) | Death::Nonsense(1..) => true,
                Death::Mute(1..) => !one_flight,
                _ => false,
            };
            if setting.deaths.iter().all(harmless) {
                let accepted = message.rcpt[number] < 300 && message.end < 300;
                assert_eq!(recipient.disposition.name() == "delivered", accepted, "{report:#?}");
                assert!(report.attempts.len() <= setting.targets, "silently: {report:#?}");
            }
        }
    }
}

fn death() -> impl Strategy<Value = Death> {
    let served = 1..4_usize;
    prop_oneof![
        3 => Just(Death::Never),
        2 => (0..900_usize).prop_map(Death::Up),
        2 => (0..700_usize).prop_map(Death::Down),
        2 => served.clone().prop_map(Death::Idle),
        2 => served.clone().prop_map(Death::Notice),
        2 => served.clone().prop_map(Death::Taken),
        1 => served.clone().prop_map(Death::Nonsense),
        1 => served.prop_map(Death::Mute),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let code = prop_oneof![5 => Just(250_u16), 1 => Just(450), 1 => Just(550)];
    let rcpt = proptest::collection::vec(code.clone(), 1..4);
    let content =
        proptest::collection::vec(prop_oneof![Just("x\r\n"), Just(".\r\n"), Just("Subject: y\r\n")], 0..20);
    let pause = prop_oneof![3 => Just(0_u64), 1 => 1..40_u64];
    (rcpt, code, content, pause, any::<bool>()).prop_map(|(rcpt, end, content, pause, known)| Message {
        content: content.concat().into_bytes(),
        rcpt,
        end,
        pause,
        known,
    })
}

fn setting() -> impl Strategy<Value = Setting> {
    (
        prop_oneof![Just(Failover::UntilUsable), Just(Failover::UntilDecided)],
        prop_oneof![Just(1_usize), Just(7), Just(usize::MAX)],
        1..3_usize,
        proptest::collection::vec(death(), 0..4),
        proptest::collection::vec(message(), 1..6),
        (prop_oneof![Just(5_u64), Just(60)], prop_oneof![Just(1_u32), Just(2), Just(100)]),
    )
        .prop_map(|(failover, split, targets, deaths, messages, limits)| Setting {
            failover,
            split,
            targets,
            deaths,
            messages,
            limits,
        })
}

/// 1,000 cases, or as many as `PROPTEST_CASES` asks for.
fn cases() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 1_000;
    }
    // Seeds of cases that have failed are kept, and run first.
    let seeds = FileFailurePersistence::Direct("tests/proptest-regressions/reuse.txt");
    config.failure_persistence = Some(Box::new(seeds));
    config
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn what_the_client_says_of_kept_connections_is_what_the_servers_know(setting in setting()) {
        check(&setting);
    }
}

// ---- one by one --------------------------------------------------------------------------------------------------------------------

fn mail(rcpt: &[u16], end: u16) -> Message {
    Message {
        content: b"Subject: x\r\n\r\nhello\r\n".to_vec(),
        rcpt: rcpt.to_vec(),
        end,
        pause: 0,
        known: false,
    }
}

fn two(deaths: Vec<Death>) -> Setting {
    Setting {
        failover: Failover::UntilUsable,
        split: usize::MAX,
        targets: 1,
        deaths,
        messages: vec![mail(&[250], 250), mail(&[250], 250)],
        limits: (60, 100),
    }
}

#[test]
fn a_second_message_goes_over_the_first_ones_connection() {
    let setting = two(vec![]);
    let mut world = World::new(&setting);
    let reports = world.run();
    assert_eq!((world.connects, world.taken.len()), (1, 2));
    let attempts: Vec<_> = reports.iter().flat_map(|report| &report.attempts).collect();
    assert_eq!(attempts.iter().map(|attempt| attempt.reused).collect::<Vec<_>>(), [false, true]);
    for attempt in attempts {
        assert!(attempt.usable && attempt.error.is_none() && attempt.peer.is_some(), "{attempt:?}");
        assert_eq!(attempt.phase, Phase::End);
    }
}

#[test]
fn a_connection_that_died_while_it_was_kept_is_replaced_once_and_silently() {
    for death in [Death::Idle(1), Death::Notice(1), Death::Nonsense(1), Death::Mute(1)] {
        let setting = two(vec![death]);
        let mut world = World::new(&setting);
        let reports = world.run();
        assert_eq!((world.connects, world.taken.len()), (2, 2), "{death:?}");
        let [attempt] = reports[1].attempts.as_slice() else { panic!("{death:?}: {reports:#?}") };
        assert!(!attempt.reused && attempt.notices.contains(&Notice::Replaced), "{death:?}: {attempt:?}");
    }
}

#[test]
fn a_message_leaves_whole_only_over_a_connection_that_lived_a_moment_ago() {
    // D28, R153: with CHUNKING, what nobody answers would be uncertain; after a pause, a sign of life is awaited first.
    for (pause, connects, outcome) in [(0, 1, "uncertain"), (1, 1, "uncertain"), (2, 2, "delivered")] {
        let mut setting = two(vec![Death::Mute(1)]);
        setting.messages[1].known = true;
        setting.messages[1].pause = pause;
        let mut world = World::new(&setting);
        let reports = world.run();
        assert_eq!(reports[1].recipients[0].disposition.name(), outcome);
        assert_eq!(world.connects, connects);
    }
}

#[test]
fn a_421_to_the_content_is_an_answer_and_the_next_target_is_asked() {
    // SPEC section 6, row 17: the kept connection did not die before the end mark.
    let mut setting = two(vec![]);
    (setting.failover, setting.targets) = (Failover::UntilDecided, 2);
    setting.messages[1].end = 421;
    let mut world = World::new(&setting);
    let reports = world.run();
    let asked: Vec<_> = reports[1].attempts.iter().map(|attempt| (attempt.target, attempt.reused)).collect();
    assert_eq!(asked, [(0, true), (1, false)], "{:#?}", reports[1]);
}

#[test]
fn what_replaces_a_dead_connection_is_not_replaced_again() {
    let setting = two(vec![Death::Idle(1), Death::Up(0)]);
    let mut world = World::new(&setting);
    let reports = world.run();
    assert_eq!((world.connects, world.taken.len()), (2, 1));
    assert_eq!(reports[1].recipients[0].disposition.name(), "deferred");
}

#[test]
fn a_recipient_who_got_an_answer_is_not_asked_for_again() {
    // Law 2: the first RCPT is answered, then the line dies.
    let mut setting = two(vec![]);
    setting.messages[1].rcpt = vec![550, 250];
    let mut seen = 0;
    for octets in 0..600 {
        setting.deaths = vec![Death::Down(octets)];
        let mut world = World::new(&setting);
        let reports = world.run();
        let report = &reports[1];
        let names: Vec<_> = report.recipients.iter().map(|recipient| recipient.disposition.name()).collect();
        if names == ["rejected", "delivered"] && report.attempts.len() == 2 {
            assert_eq!(report.recipients.iter().map(|r| r.attempt).collect::<Vec<_>>(), [Some(0), Some(1)]);
            let said = String::from_utf8_lossy(&world.lines[1].said).into_owned();
            assert!(!said.contains("RCPT TO:<r0@"), "{said}");
            seen += 1;
        }
    }
    assert!(seen > 0, "no cut fell between the two answers");
}

#[test]
fn reset_goes_before_the_next_message_only_where_one_was_refused() {
    // D28, R56
    for (rcpt, end, resets) in [(250, 250, 0), (250, 450, 1), (550, 250, 1)] {
        let mut setting = two(vec![]);
        setting.messages[0].rcpt = vec![rcpt];
        setting.messages[0].end = end;
        let mut world = World::new(&setting);
        world.run();
        assert_eq!(world.connects, 1, "a refusal ends no connection");
        let said = String::from_utf8_lossy(&world.lines[0].said).into_owned();
        assert_eq!(said.matches("RSET\r\n").count(), resets, "{said}");
        assert!(
            said.starts_with("EHLO client.example\r\nMAIL FROM:<m0@") && said.ends_with("QUIT\r\n"),
            "{said}"
        );
    }
}

#[test]
fn a_last_message_is_followed_by_quit_at_once() {
    let mut setting = two(vec![]);
    setting.limits.1 = 1;
    let mut world = World::new(&setting);
    let reports = world.run();
    assert_eq!(world.connects, 2);
    assert!(reports.iter().all(|report| report.attempts[0].phase == Phase::Quit), "{reports:#?}");
}
