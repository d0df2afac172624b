//! Law 8, D29: a send that is dropped leaves nothing but closed transports, wherever it stands.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant as RealTime,
};

use smtp_proto::{
    Failover,
    config::{Protocol, TlsMode},
    pool::Limits,
};
use smtp_testkit::{
    Transcript,
    far::{Standing, Trickle},
    transcript::{Message, Session},
};

use super::*;

const PORT: u16 = 2525;
const SECOND: &[u8] = b"Subject: second\r\n\r\n.It is not the first.\r\n..\r\n";

/// One transcript, its client, and what is behind.
struct Case<'a> {
    transcript: &'a Transcript,
    log: Log,
    far: Far,
    client: Client,
    /// From now on every server is healthy.
    recovered: Arc<AtomicBool>,
}

impl<'a> Case<'a> {
    fn new(time: &Time, transcript: &'a Transcript) -> Self {
        let (log, recovered) = (Log::default(), Arc::new(AtomicBool::new(false)));
        // A handshake is long; its pieces are not what is of interest.
        let least = if in_clear(transcript) { 5 } else { 300 };
        let piece = transcript.messages.iter().map(piece).fold(least, usize::max);
        let far = Far::in_pieces(piece, piece, {
            let (transcript, log, recovered) = (transcript.clone(), log.clone(), Arc::clone(&recovered));
            move |index, _| answer(&transcript, &log, index, recovered.load(Ordering::SeqCst))
        });
        let failover = transcript.failover.unwrap_or(Failover::UntilUsable);
        let plan = transcript.plan(PORT, failover, None).with_reuse(Some(Limits::default()));
        let client = Client::new(plan, &far, time);
        Self { transcript, log, far, client, recovered }
    }

    /// Sends the messages of the transcript, and is cut off after so many polls.
    async fn first(&self, time: &Time, mut polls: usize) -> Result<(), Left> {
        for message in &self.transcript.messages {
            let mut envelope = message.envelope();
            match message.facts(&self.transcript.config) {
                Ok(facts) => envelope.sender.content = facts,
                Err(_) => continue, // refused without anybody being asked
            }
            let credentials = self.transcript.forwarded.clone();
            let sending = self.client.send(credentials, envelope, source(message));
            by_hand(time, &self.far, Box::pin(sending).as_mut(), &mut polls).await?;
        }
        Ok(())
    }

    /// Nothing but closed transports, and kept connections of messages that are through.
    fn look_at_lines(&self, complain: &mut impl FnMut(String)) {
        // Somebody was refused here and moved on, or there was a message before.
        let may_keep =
            self.transcript.messages.len() > 1 || self.transcript.failover == Some(Failover::UntilDecided);
        for (index, line) in self.far.lines().iter().enumerate() {
            if !line.gone && (!may_keep || !line.in_step) {
                complain(format!("connection {index} is still open"));
            }
        }
    }

    /// Another message on the same client; what becomes of it.
    async fn second(&self, time: &Time, complain: &mut impl FnMut(String)) -> String {
        self.recovered.store(true, Ordering::SeqCst);
        let before = self.log.taken().len();
        let envelope = numbered(2);
        let sending = self.client.send(self.transcript.forwarded.clone(), envelope, bytes(SECOND));
        let report = match by_hand(time, &self.far, Box::pin(sending).as_mut(), &mut 100_000).await {
            Ok(report) => report,
            Err(left) => {
                complain(format!("the second message is {left:?}"));
                return "never".to_owned();
            }
        };
        let taken = self.log.taken().split_off(before);
        let delivered = name(&report) == "delivered";
        match taken.as_slice() {
            [] if !delivered => {}
            [taken] if delivered => {
                if !confirms(&report, taken) || taken.content != SECOND {
                    complain(format!("the second message: {taken:?}, {:?}", report.recipients));
                }
                if !taken.mail.starts_with("MAIL FROM:<alice2@")
                    || taken.rcpts != ["RCPT TO:<bob@example.net>"]
                {
                    complain(format!("another envelope: {taken:?}"));
                }
            }
            _ => complain(format!("taken {taken:?}, told {:?}", report.recipients)),
        }
        format!("{} {}", name(&report), report.recipients[0].disposition.status().code)
    }
}

fn in_clear(transcript: &Transcript) -> bool {
    transcript.config.security.mode == TlsMode::Off
}

pub(super) fn source(message: &Message) -> super::super::Message {
    if message.known {
        bytes(&message.body)
    } else {
        reader(Trickle::new(&message.body, piece(message), message.source))
    }
}

/// A message is cut at some fifty places at most: each is played anew, from the beginning.
fn piece(message: &Message) -> usize {
    message.body.len().div_ceil(50).max(5)
}

fn answer(transcript: &Transcript, log: &Log, index: usize, recovered: bool) -> Dialled {
    let lmtp = transcript.config.protocol == Protocol::Lmtp;
    let judge = match transcript.config.security.mode {
        TlsMode::Implicit => Judge::blind(),
        _ => Judge::new(lmtp, false),
    };
    let healthy = Healthy::new(index, log, lmtp).offering_chunking();
    match transcript.sessions.get(index).filter(|_| !recovered) {
        Some(Session::Refused) => Dialled::Refused,
        Some(Session::Hangs) => Dialled::Hangs,
        Some(Session::Dialogue(steps)) => Dialled::server(transcript.recovering(steps, healthy), judge),
        None => {
            let starttls = transcript.config.security.mode == TlsMode::StartTls;
            let healthy = if starttls { healthy.offering_starttls() } else { healthy };
            Dialled::server(transcript.secure(healthy), judge)
        }
    }
}

/// How a run ended, and what the client wrote on each line before it was dropped.
struct Run {
    left: Option<Left>,
    sent: Vec<Vec<u8>>,
    second: String,
}

/// The messages of the transcript, dropped after so many polls, and then another one.
async fn cut(time: &Time, transcript: &Transcript, polls: usize, complaints: &mut Vec<String>) -> Run {
    cut_in(Case::new(time, transcript), time, polls, complaints).await
}

async fn cut_in(case: Case<'_>, time: &Time, polls: usize, complaints: &mut Vec<String>) -> Run {
    let transcript = case.transcript;
    let at = format!("{}, dropped after {polls} polls", transcript.path.display());
    let mut complain = |what: String| complaints.push(format!("{at}: {what}"));
    let left = case.first(time, polls).await.err();
    let sent = |lines: Vec<Standing>| lines.into_iter().map(|line| line.sent).collect::<Vec<_>>();
    let before = sent(case.far.lines());
    if left.is_some() {
        case.look_at_lines(&mut complain);
    }
    settle(time, &case.far).await;
    if left.is_some() && sent(case.far.lines()) != before {
        complain("something was sent after the end".to_owned());
    }
    let second = case.second(time, &mut complain).await;
    let closing = by_hand(time, &case.far, Box::pin(case.client.close()).as_mut(), &mut 10_000).await;
    if closing.is_err() || case.far.open() > 0 {
        complain("connections outlive close()".to_owned());
    }
    for (index, line) in case.far.lines().iter().enumerate().filter(|(_, line)| !line.objections.is_empty()) {
        complain(format!("manners on connection {index}: {:?}", line.objections));
    }
    Run { left, sent: before, second }
}

/// Every poll of a transcript; how many they are, and whether the second message is delivered where it should be.
fn every_poll(transcript: &Transcript, complaints: &mut Vec<String>) -> (usize, bool) {
    // Nothing was asked of this client before.
    let fresh = run(async |time| cut(&time, transcript, 0, complaints).await).second;
    let mut cuts: Vec<Run> = Vec::new();
    for polls in 1.. {
        let this = run(async |time| cut(&time, transcript, polls, complaints).await);
        if this.second != fresh {
            let (path, second) = (transcript.path.display(), &this.second);
            complaints.push(format!("{path}, dropped after {polls} polls: {second}, without it {fresh}"));
        }
        let over = this.left != Some(Left::Cut);
        cuts.push(this);
        if over {
            break;
        }
    }
    // A dropped send has done what it would have done up to there, and nothing because of it.
    let whole = cuts.last().map(|run| run.sent.clone()).unwrap_or_default();
    for (index, run) in cuts.iter().enumerate().filter(|_| in_clear(transcript)) {
        let begins = run.sent.iter().zip(&whole).all(|(cut, whole)| whole.starts_with(cut));
        if !begins || run.sent.len() > whole.len() {
            let polls = index + 1;
            complaints.push(format!("{}, {polls} polls: another dialogue", transcript.path.display()));
        }
    }
    (cuts.len(), fresh.starts_with("delivered"))
}

#[test]
fn a_send_dropped_at_any_poll_leaves_nothing_behind() {
    // Law 8, D28, D29, R54
    let began = RealTime::now();
    let wanted = std::env::var("CONFORMANCE").unwrap_or_default();
    let list = Transcript::all(&wanted).unwrap_or_else(|amiss| panic!("{amiss:#?}"));
    let (next, polls, undelivered) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let complaints: Vec<String> = std::thread::scope(|scope| {
        let play = || {
            let mut complaints = Vec::new();
            while let Some(transcript) = list.get(next.fetch_add(1, Ordering::SeqCst)) {
                let (some, delivered) = every_poll(transcript, &mut complaints);
                polls.fetch_add(some, Ordering::SeqCst);
                if !delivered {
                    undelivered.lock().unwrap().push(transcript.path.display().to_string());
                }
            }
            complaints
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(play)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let undelivered = undelivered.into_inner().unwrap();
    eprintln!(
        "{} transcripts dropped at {} polls in {:?}; no client can deliver after {}: {undelivered:?}",
        list.len(),
        polls.into_inner(),
        began.elapsed(),
        undelivered.len()
    );
    let some: Vec<_> = complaints.iter().take(30).collect();
    assert!(complaints.is_empty(), "{} complaints, the first of them: {some:#?}", complaints.len());
    // Those that authenticate in vain, and by SCRAM, which the healthy server does not speak.
    assert!(undelivered.len() * 12 <= list.len());
}

#[test]
fn a_transport_that_outlives_its_send_would_be_noticed() {
    // Law 8: what would become of the next message if a half-used connection were given back.
    let list = Transcript::all("pipelining").unwrap_or_else(|amiss| panic!("{amiss:#?}"));
    let (mut complaints, mut cuts, mut other) = (Vec::new(), 0, 0);
    for transcript in list.iter().filter(|transcript| in_clear(transcript)).take(5) {
        let fresh = run(async |time| cut(&time, transcript, 0, &mut complaints).await).second;
        for polls in 1.. {
            let run = run(async |time| {
                let case = Case::new(&time, transcript);
                case.far.recycle();
                cut_in(case, &time, polls, &mut complaints).await
            });
            if run.left != Some(Left::Cut) {
                break;
            }
            cuts += 1;
            other += usize::from(run.second != fresh);
        }
    }
    let open = complaints.iter().filter(|complaint| complaint.contains("is still open")).count();
    assert!(cuts > 20 && open > cuts * 3 / 4, "{open} of {cuts}: {complaints:#?}");
    assert!(other > cuts * 3 / 4, "the next message fares otherwise: {other} of {cuts}");
}
