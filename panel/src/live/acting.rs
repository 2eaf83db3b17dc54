//! A change that a person asks for: busy while it is asked, then pending until the stream brings it
//! back, or refused with words.

use std::future::Future;

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{Live, live};
use crate::api::{self, Answer};
use crate::state::Position;
use crate::state::problem::{Kind, Problem};

/// One button's worth of change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Act {
    live: Live,
    /// Whether the world is being asked.
    pub(crate) busy: RwSignal<bool>,
    /// Why it was refused.
    pub(crate) problem: RwSignal<Option<Problem>>,
    position: RwSignal<Option<Position>>,
    /// What was asked last, under which request id.
    asked: StoredValue<(String, String)>,
}

impl Act {
    /// Nothing was asked yet.
    pub(crate) fn new() -> Self {
        Self {
            live: live(),
            busy: RwSignal::new(false),
            problem: RwSignal::new(None),
            position: RwSignal::new(None),
            asked: StoredValue::new((String::new(), String::new())),
        }
    }

    /// Asks. `content` says the same for the same change: after a failure that passes, asking the
    /// same again goes under the same request id and so has one effect.
    pub(crate) fn ask<F>(
        self,
        content: &str,
        call: impl FnOnce(String) -> F,
        then: impl FnOnce(Live) + 'static,
    ) where
        F: Future<Output = Answer<Position>> + 'static,
    {
        if self.busy.get_untracked() {
            return;
        }
        let failed_passing =
            self.problem.with_untracked(|problem| problem.as_ref().is_some_and(Problem::passes));
        let (last, id) = self.asked.get_value();
        let id = if failed_passing && last == content { id } else { api::request_id() };
        self.asked.set_value((content.to_owned(), id.clone()));
        self.busy.set(true);
        self.problem.set(None);
        let call = call(id);
        spawn_local(async move {
            let answer = call.await;
            self.busy.try_set(false);
            match answer {
                Ok(position) => {
                    self.position.try_set(Some(position));
                    then(self.live);
                }
                Err(problem) => {
                    if problem.kind == Kind::Fault {
                        self.live.say_fault(&problem);
                    }
                    self.problem.try_set(Some(problem));
                }
            }
        });
    }

    /// Refuses without asking.
    pub(crate) fn refuse(&self, problem: Problem) {
        self.problem.set(Some(problem));
    }

    /// Whether it is asked, or done and not yet come back.
    pub(crate) fn is_pending(&self) -> bool {
        self.busy.get()
            || self.position.get().is_some_and(|position| self.live.is_pending(&position))
    }

    /// What is wrong with a field.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        self.problem.with(|problem| problem.as_ref()?.field(name).map(str::to_owned))
    }
}
