//! Reading one answer: bytes to events, with its time limits, its size limit and its usage.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::{Response, header};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vivarium_chassis::clock;

use super::super::chat::{ChatEvent, Finish, Phases, Usage};
use super::super::error::{ModelError, Phase};
use super::super::sse::Decoder;
use super::super::{http, wire};

/// Bytes of one event.
const EVENT_BYTES: usize = 4 * 1024 * 1024;
/// How long usage and the end may follow behind the finish reason.
const TAIL: Duration = Duration::from_secs(5);
/// How long the connection may take to end behind `[DONE]`, so that it can be used again.
const DRAIN: Duration = Duration::from_millis(250);
/// Bytes of text in one model token, for our own count.
const BYTES_PER_TOKEN: u64 = 4;
const DONE: &str = "[DONE]";

/// The limits of an answer.
pub(super) struct Limits {
    pub(super) phases: Phases,
    pub(super) deadline: Instant,
    pub(super) sent: Instant,
    pub(super) bytes_max: usize,
}

/// An answer that is being read.
pub(super) struct Answer {
    response: Response,
    limits: Limits,
    cancel: CancellationToken,
    decoder: Option<Decoder>,
    /// The whole body of a server that does not stream.
    whole: Option<Vec<u8>>,
    bytes: usize,
    last_event: Instant,
    ready: VecDeque<ChatEvent>,
    end: Option<Result<(), ModelError>>,
    tally: Tally,
}

/// What was seen so far.
struct Tally {
    tries: u32,
    prompt_bytes: usize,
    started: bool,
    deltas: u64,
    answer_bytes: u64,
    usage: Option<Usage>,
    finish: Option<Finish>,
}

impl Tally {
    /// What the provider reported, or our own count.
    fn usage(&self) -> Usage {
        let estimate = Usage {
            input_tokens: (self.prompt_bytes as u64).div_ceil(BYTES_PER_TOKEN),
            // Most servers send one model token a piece, some several.
            output_tokens: self.deltas.max(self.answer_bytes.div_ceil(BYTES_PER_TOKEN)),
            cached_tokens: 0,
            estimated: true,
        };
        self.usage.unwrap_or(estimate)
    }
}

impl Answer {
    pub(super) fn new(
        response: Response,
        limits: Limits,
        cancel: CancellationToken,
        prompt_bytes: usize,
        tries: u32,
    ) -> Self {
        let kind = response.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let streams = !kind.starts_with("application/json");
        Self {
            response,
            last_event: limits.sent,
            limits,
            cancel,
            decoder: streams.then(|| Decoder::new(EVENT_BYTES)),
            whole: (!streams).then(Vec::new),
            bytes: 0,
            ready: VecDeque::new(),
            end: None,
            tally: Tally {
                tries,
                prompt_bytes,
                started: false,
                deltas: 0,
                answer_bytes: 0,
                usage: None,
                finish: None,
            },
        }
    }

    /// The next event; `None` behind the last.
    pub(super) async fn next(&mut self) -> Option<Result<ChatEvent, ModelError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            match self.end.take() {
                Some(Ok(())) => {
                    self.end = Some(Ok(()));
                    return None;
                }
                Some(Err(error)) => {
                    self.end = Some(Ok(()));
                    return Some(Err(error));
                }
                None => {}
            }
            let read = self.read().await;
            if let Err(error) = read {
                self.fail(error);
            }
        }
    }

    /// Waits for bytes and takes them.
    async fn read(&mut self) -> Result<(), ModelError> {
        let (until, phase) = self.limit();
        let chunk = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Err(ModelError::Cancelled { sent: true }),
            chunk = self.response.chunk() => chunk,
            () = tokio::time::sleep_until(until) => {
                // All that was still to come is the usage and the end: the answer is whole.
                if self.tally.finish.is_some() {
                    self.complete();
                    return Ok(());
                }
                return Err(ModelError::Timeout(phase));
            }
        };
        match chunk {
            Ok(Some(bytes)) => self.take(&bytes).await,
            Ok(None) => self.close(),
            Err(_) if self.tally.finish.is_some() => {
                self.complete();
                Ok(())
            }
            Err(error) => Err(ModelError::Upstream { status: None, message: http::words(&error) }),
        }
    }

    /// Until when the next event must come, and what is late otherwise.
    fn limit(&self) -> (Instant, Phase) {
        let phases = self.limits.phases;
        let (span, phase) = match (self.tally.started, &self.tally.finish) {
            (_, Some(_)) => (TAIL.min(phases.between_events), Phase::BetweenEvents),
            (true, None) => (phases.between_events, Phase::BetweenEvents),
            (false, None) => (phases.first_event, Phase::FirstEvent),
        };
        let until = self.last_event + span;
        if self.limits.deadline < until {
            (self.limits.deadline, Phase::Total)
        } else {
            (until, phase)
        }
    }

    async fn take(&mut self, bytes: &[u8]) -> Result<(), ModelError> {
        self.bytes += bytes.len();
        if self.bytes > self.limits.bytes_max {
            let max = self.limits.bytes_max;
            return Err(ModelError::Protocol(format!("it is larger than {max} bytes")));
        }
        if let Some(whole) = &mut self.whole {
            whole.extend_from_slice(bytes);
            return Ok(());
        }
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        let events =
            decoder.push(bytes).map_err(|error| ModelError::Protocol(error.to_string()))?;
        for data in events {
            if data.trim() == DONE {
                self.done()?;
                let drained = tokio::time::timeout(DRAIN, self.response.chunk()).await;
                if drained.is_err() {
                    tracing::debug!("a provider keeps the connection open behind the end");
                }
                return Ok(());
            }
            self.event(&data)?;
        }
        Ok(())
    }

    /// The connection ended.
    fn close(&mut self) -> Result<(), ModelError> {
        if let Some(whole) = self.whole.take() {
            self.event(&String::from_utf8_lossy(&whole))?;
        }
        if let Some(data) = self.decoder.take().and_then(Decoder::finish) {
            if data.trim() == DONE {
                return self.done();
            }
            self.event(&data)?;
        }
        if self.tally.finish.is_none() {
            let message = "the connection ended in the middle of the answer".to_owned();
            return Err(ModelError::Upstream { status: None, message });
        }
        self.complete();
        Ok(())
    }

    /// The provider says that this is all. Without a finish reason it is not: an interrupted request
    /// looks like that, and must not pass for an answer.
    fn done(&mut self) -> Result<(), ModelError> {
        if self.tally.finish.is_none() {
            return Err(ModelError::Protocol("it ends without a finish reason".to_owned()));
        }
        self.complete();
        Ok(())
    }

    fn event(&mut self, data: &str) -> Result<(), ModelError> {
        self.last_event = clock::instant();
        let chunk = wire::chunk(data)?;
        let tally = &mut self.tally;
        if !tally.started {
            tally.started = true;
            self.ready.push_back(ChatEvent::Started { model: chunk.model, tries: tally.tries });
        }
        if !chunk.text.is_empty() || chunk.thought_bytes > 0 || !chunk.tools.is_empty() {
            let tools: usize = chunk.tools.iter().map(|tool| tool.arguments.len()).sum();
            tally.deltas += 1;
            tally.answer_bytes += (chunk.text.len() + chunk.thought_bytes + tools) as u64;
        }
        if !chunk.text.is_empty() {
            self.ready.push_back(ChatEvent::Delta(chunk.text));
        }
        for tool in chunk.tools {
            let wire::Tool { index, name, arguments } = tool;
            self.ready.push_back(ChatEvent::ToolDelta { index, name, arguments });
        }
        tally.usage = chunk.usage.or(tally.usage);
        if !chunk.finish.is_empty() {
            tally.finish = Some(Finish::of(&chunk.finish));
        }
        Ok(())
    }

    fn complete(&mut self) {
        if self.end.is_some() {
            return;
        }
        self.ready.push_back(ChatEvent::Usage(self.tally.usage()));
        if let Some(finish) = self.tally.finish.take() {
            self.ready.push_back(ChatEvent::Finished(finish));
        }
        self.end = Some(Ok(()));
    }

    fn fail(&mut self, error: ModelError) {
        if self.tally.started {
            self.ready.push_back(ChatEvent::Usage(self.tally.usage()));
        }
        self.end = Some(Err(error));
    }
}
