//! Inputs with their label above and what is wrong with them below.

use std::cell::Cell;

use leptos::ev;
use leptos::prelude::*;

/// How an input looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One line.
    Line,
    /// Several lines.
    Area(u32),
    /// One line that nobody behind the reader may see.
    Secret,
    /// A number.
    Number,
}

/// An input for text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    /// What it is called.
    pub(crate) label: &'static str,
    /// What to know about it. Empty: nothing.
    pub(crate) hint: &'static str,
    /// How it looks.
    pub(crate) shape: Shape,
    /// What an answer looks like. Empty: nothing.
    pub(crate) example: &'static str,
    /// The most characters. 0: the world decides.
    pub(crate) most: usize,
    /// Whether it has the focus at first.
    pub(crate) first: bool,
}

/// A plain line, to be changed as needed.
pub(crate) const LINE: Field =
    Field { label: "", hint: "", shape: Shape::Line, example: "", most: 0, first: false };

thread_local! {
    static LAST_ID: Cell<u32> = const { Cell::new(0) };
}

/// An id that no other element of this tab has.
pub(crate) fn fresh_id(stem: &str) -> String {
    let number = LAST_ID.get() + 1;
    LAST_ID.set(number);
    format!("{stem}-{number}")
}

impl Field {
    /// The input, over `value`, with what is wrong with it.
    pub(crate) fn show(
        self,
        value: RwSignal<String>,
        wrong: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> AnyView {
        let id = fresh_id("field");
        let about = format!("{id}-about");
        let wrong = Memo::new(move |_| wrong());
        let input = self.input(&id, &about, value, wrong);
        let count = move || (self.most > 0).then(|| self.count(value));
        let below = move || match wrong.get() {
            Some(wrong) => {
                view! { <span class="field-wrong">{crate::format::capital(&wrong)}</span> }
                    .into_any()
            }
            None => view! { <span class="field-hint">{self.hint}</span> }.into_any(),
        };
        view! {
            <div class="field">
                <label for=id>{self.label}</label>
                {input}
                <div class="field-below" id=about>
                    <span aria-live="polite">{below}</span>
                    {count}
                </div>
            </div>
        }
        .into_any()
    }

    fn count(self, value: RwSignal<String>) -> AnyView {
        let length = value.with(|text| text.chars().count());
        let over = length > self.most;
        view! {
            <span class="field-count num" class:field-wrong=over>{length}" / "{self.most}</span>
        }
        .into_any()
    }

    fn input(
        self,
        id: &str,
        about: &str,
        value: RwSignal<String>,
        wrong: Memo<Option<String>>,
    ) -> AnyView {
        let (id, about) = (id.to_owned(), about.to_owned());
        let invalid = move || wrong.with(Option::is_some).to_string();
        match self.shape {
            Shape::Area(rows) => view! {
                <textarea
                    id=id
                    rows=rows.to_string()
                    placeholder=self.example
                    autofocus=self.first
                    aria-invalid=invalid
                    aria-describedby=about
                    prop:value=move || value.get()
                    on:input=move |event| value.set(event_target_value(&event))
                    on:keydown=submit_on_control_enter
                ></textarea>
            }
            .into_any(),
            Shape::Line | Shape::Secret | Shape::Number => view! {
                <input
                    id=id
                    type=if self.shape == Shape::Secret { "password" } else { "text" }
                    inputmode=if self.shape == Shape::Number { "decimal" } else { "text" }
                    autocomplete="off"
                    spellcheck=if self.shape == Shape::Line { "true" } else { "false" }
                    placeholder=self.example
                    autofocus=self.first
                    aria-invalid=invalid
                    aria-describedby=about
                    prop:value=move || value.get()
                    on:input=move |event| value.set(event_target_value(&event))
                />
            }
            .into_any(),
        }
    }
}

/// Control and Enter in a text of several lines sends its form.
#[expect(clippy::needless_pass_by_value, reason = "a handler is given its event")]
fn submit_on_control_enter(event: ev::KeyboardEvent) {
    if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) {
        let area: web_sys::HtmlTextAreaElement = event_target(&event);
        if let Some(form) = area.form() {
            event.prevent_default();
            // It fails only for a form that is not in the page.
            drop(form.request_submit());
        }
    }
}

/// A choice of a few words.
pub(crate) fn choice<T: Copy + PartialEq + Send + Sync + 'static>(
    label: &'static str,
    options: &[(T, &'static str)],
    value: RwSignal<T>,
) -> AnyView {
    let name = fresh_id("choice");
    let options: Vec<_> = options
        .iter()
        .map(|(option, words)| {
            let (option, name) = (*option, name.clone());
            view! {
                <label class="choice-option">
                    <input
                        type="radio"
                        name=name
                        prop:checked=move || value.get() == option
                        on:change=move |_| value.set(option)
                    />
                    <span>{*words}</span>
                </label>
            }
        })
        .collect();
    view! {
        <fieldset class="choice">
            <legend>{label}</legend>
            <div class="choice-options">{options}</div>
        </fieldset>
    }
    .into_any()
}
