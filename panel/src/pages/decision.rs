//! A submission as a person decides about it: the work, what review said, and the two buttons.

use leptos::prelude::*;

use crate::api;
use crate::format;
use crate::live::acting::Act;
use crate::live::live;
use crate::live::reading::Reading;
use crate::parts::badge::{self, badge, code};
use crate::parts::bar::score;
use crate::parts::field::{Field, LINE, Shape};
use crate::parts::icon::icon;
use crate::parts::mark;
use crate::parts::markdown::markdown;
use crate::parts::notice::refusal;
use crate::parts::sentence::task_link;
use crate::parts::shown::shown;
use crate::parts::time;
use crate::state::submission::{
    Critique, Document, Finding, State, Submission, Verdict, because_sentence, how_sentence,
};

/// Characters of feedback and of a comment.
const FEEDBACK_MAX: usize = 2_000;

/// What exactly a person decides about.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    id: String,
    payload_hash: Vec<u8>,
}

impl Asked {
    fn of(submission: &Submission) -> Option<Self> {
        (submission.state == State::AwaitingHuman).then(|| Self {
            id: submission.id.clone(),
            payload_hash: submission.payload_hash.clone(),
        })
    }
}

/// The whole submission: who and what, the documents, review, and the decision where one is asked for.
///
/// The form hangs on what is decided about and on nothing else: whatever arrives meanwhile, what a
/// person has begun to type stays.
pub(crate) fn whole(submission: Reading<Submission>) -> AnyView {
    let asked = Memo::new(move |_| submission.value.with(|it| it.as_ref().and_then(Asked::of)));
    let rest =
        move || submission.value.with(|it| it.as_ref().map(|it| view! { {work(it)}{said(it)} }));
    view! {
        <article class="submission">
            {shown(submission, head)}
            {move || asked.get().map(|asked| form(asked, submission))}
            {rest}
        </article>
    }
    .into_any()
}

fn head(submission: &Submission) -> AnyView {
    let (label, tone) = submission.state.badge();
    let who = if submission.resident.is_empty() {
        ().into_any()
    } else {
        view! { {mark::mark(&submission.resident)}{mark::name(&submission.resident)} }.into_any()
    };
    view! {
        <header class="submission-head">
            <div class="submission-title">{task_link(&submission.task)}{badge(label, tone)}</div>
            <p class="facts">
                {who}
                <span>"attempt "{submission.attempt}</span>
                {(!submission.model.is_empty()).then(|| badge::model(&submission.model, submission.embedded))}
                <span class="num">{format::dollars(submission.cost)}</span>
                {time::ago(submission.opened)}
            </p>
        </header>
    }
    .into_any()
}

/// What the resident put up.
pub(crate) fn work(submission: &Submission) -> AnyView {
    let how =
        how_sentence(&submission.how).map(|how| view! { <p class="notice-line soft">{how}</p> });
    let summary = (!submission.summary.is_empty()).then(|| {
        view! { <p class="summary"><span class="soft">"In the resident's words: "</span>{submission.summary.clone()}</p> }
    });
    let answer = (!submission.answer.is_empty()).then(|| {
        view! { <div class="paper">{markdown(&submission.answer, "")}</div> }
    });
    let documents: Vec<_> = submission.documents.iter().map(document).collect();
    view! { <div class="work-shown">{how}{summary}{answer}{documents}</div> }.into_any()
}

fn document(document: &Document) -> AnyView {
    let tags: Vec<_> = document.tags.iter().map(badge::tag).collect();
    let body = if document.body.trim().is_empty() {
        view! { <p class="nothing">"The document is empty."</p> }.into_any()
    } else {
        markdown(&document.body, &document.path)
    };
    view! {
        <section class="paper" aria-label=document.title.clone()>
            <p class="paper-place">{icon("document")}{code(document.path.clone())}
                <span class="soft num">{format::count(u64::from(document.length))}" characters"</span>{tags}</p>
            {body}
        </section>
    }
    .into_any()
}

/// What checks, critic and decider said.
pub(crate) fn said(submission: &Submission) -> AnyView {
    let troubles: Vec<_> = submission.troubles().into_iter().map(finding).collect();
    let clean = submission.clean_count();
    let checks = if submission.findings.is_empty() {
        view! { <p class="nothing">"The checks have not run yet."</p> }.into_any()
    } else {
        view! {
            <p>{format::counted(clean as u64, "check", "checks")}" found nothing."</p>
            {(!troubles.is_empty()).then(|| view! { <ul class="findings">{troubles}</ul> })}
        }
        .into_any()
    };
    view! {
        <section class="said" aria-label="Review">
            <h3>"Review"</h3>
            {submission.verdict.as_ref().map(verdict)}
            <h4>"Checks"</h4>
            {checks}
            <h4>"Critic"</h4>
            {critique(submission.critique.as_ref())}
        </section>
    }
    .into_any()
}

fn finding(finding: &Finding) -> AnyView {
    let (label, tone) = finding.gravity.badge();
    view! {
        <li>{badge(label, tone)}<b>{format::words(&finding.check)}</b><span>{finding.text.clone()}</span></li>
    }
    .into_any()
}

fn critique(critique: Option<&Critique>) -> AnyView {
    let Some(critique) = critique else {
        return view! { <p class="nothing">"No critic has read it yet."</p> }.into_any();
    };
    if !critique.missing.is_empty() {
        return view! {
            <p class="soft">"There is no critique: "{code(critique.missing.clone())}"."</p>
        }
        .into_any();
    }
    let list = |label: &'static str, lines: &[String]| {
        (!lines.is_empty()).then(|| {
            let lines: Vec<_> =
                lines.iter().map(|line| view! { <li>{line.clone()}</li> }).collect();
            view! { <p class="soft small">{label}</p><ul class="remarks">{lines}</ul> }
        })
    };
    let advises =
        critique.embedded.then_some(" It is a small local model: it advises, it does not decide.");
    view! {
        <div class="scores">{critique.rubric().into_iter().map(|(words, value)| score(words, value)).collect_view()}</div>
        {list("What is wrong", &critique.issues)}
        {list("What would be better", &critique.suggestions)}
        <p class="soft small">
            {badge::model(&critique.model, critique.embedded)}" · "
            <span class="num">{format::dollars(critique.cost)}</span>{advises}
        </p>
    }
    .into_any()
}

fn verdict(verdict: &Verdict) -> AnyView {
    let (label, tone) = verdict.value.badge();
    let reasons: Vec<_> =
        verdict.reasons.iter().map(|reason| view! { <li>{reason.clone()}</li> }).collect();
    let tip = (verdict.tip > 0).then(|| format!(" · tip {} tokens", format::number(verdict.tip)));
    let note = (!verdict.note.is_empty())
        .then(|| view! { <p class="soft small">{format::capital(&verdict.note)}"."</p> });
    view! {
        <div class="verdict">
            <p>{badge(label, tone)}" by "{verdict.decider}", "{time::ago(verdict.time)}
                <span class="soft">" · confidence "{format::percent(verdict.confidence_permille)}{tip}</span></p>
            {(!reasons.is_empty()).then(|| view! { <ul class="remarks">{reasons}</ul> })}
            {note}
        </div>
    }
    .into_any()
}

/// The two buttons and their words.
fn form(asked: Asked, submission: Reading<Submission>) -> AnyView {
    let act = Act::new();
    let (comment, tip) = (RwSignal::new(String::new()), RwSignal::new("0".to_owned()));
    let rejecting = RwSignal::new(false);
    let Asked { id, payload_hash: hash } = asked;
    let approve = {
        let (id, hash) = (id.clone(), hash.clone());
        move |_| {
            let (id, hash) = (id.clone(), hash.clone());
            let Ok(tip) = tip.get_untracked().trim().parse::<i64>() else {
                return live().say("A tip is a whole number of tokens");
            };
            let words = comment.get_untracked().trim().to_owned();
            let content = format!("approve {id} {tip} {words}");
            act.ask(
                &content,
                move |key| api::review::approve(key, id, hash, tip, words),
                |live| {
                    live.say("Approved: it goes to the Library");
                },
            );
        }
    };
    let reject = move |_| {
        let (id, hash) = (id.clone(), hash.clone());
        let words = comment.get_untracked().trim().to_owned();
        let content = format!("reject {id} {words}");
        act.ask(
            &content,
            move |key| api::review::reject(key, id, hash, words),
            |live| {
                live.say("Sent back: your words reach the next attempt");
            },
        );
    };
    let because = Memo::new(move |_| {
        let words: Vec<_> = submission.value.with(|it| {
            it.iter().flat_map(|it| &it.because).map(|word| because_sentence(word)).collect()
        });
        (!words.is_empty()).then(|| format!("You decide because {}.", words.join(", and ")))
    });
    let label = move || if rejecting.get() { "What to do better" } else { "A word to the author" };
    let words = move || {
        let hint =
            if rejecting.get() { "It is in the next attempt's briefing" } else { "Optional" };
        Field { label: label(), shape: Shape::Area(3), most: FEEDBACK_MAX, hint, ..LINE }
            .show(comment, move || act.field("feedback").or_else(|| act.field("comment")))
    };
    let busy = move || act.is_pending();
    view! {
        <section class="decide" aria-label="Your decision">
            {move || because.get().map(|because| view! { <p class="soft">{because}</p> })}
            {words}
            {move || (!rejecting.get()).then(|| Field { label: "Tip in tokens", shape: Shape::Number, hint: "0 to 5,000", ..LINE }
                .show(tip, move || act.field("tip_tokens")))}
            {refusal(act.problem, &["feedback", "comment", "tip_tokens"])}
            <div class="decide-foot">
                {move || if rejecting.get() {
                    let reject = reject.clone();
                    view! {
                        <button type="button" class="button" on:click=move |_| rejecting.set(false)>"Back"</button>
                        <button type="button" class="button button-danger" disabled=busy on:click=reject>"Send it back"</button>
                    }.into_any()
                } else {
                    let approve = approve.clone();
                    view! {
                        <button type="button" class="button" disabled=busy on:click=move |_| rejecting.set(true)>"Ask for changes…"</button>
                        <button type="button" class="button button-primary" disabled=busy on:click=approve>
                            {icon("check")}"Approve and publish"
                        </button>
                    }.into_any()
                }}
            </div>
        </section>
    }
    .into_any()
}
