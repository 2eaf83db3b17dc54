//! Every reason a request can be refused for: the machine-readable word, its class, and what a
//! person reads. Declared once, here; never renamed, never reused.
//!
//! Each has a page `docs/errors/<NAME>.md` and a test that provokes it (`tests/tidy` checks both).
//! Sentences are lower case, factual and without a full stop; `{key}` is filled from the error's
//! metadata.

use std::error::Error;
use std::fmt;
use std::io;
use std::str::FromStr;

use crate::place;

/// What a caller can do about a refusal; each class is one gRPC status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The same fault for ever: correct the request (`INVALID_ARGUMENT`).
    Invalid,
    /// Sign in or present a valid certificate and token (`UNAUTHENTICATED`).
    Unauthenticated,
    /// Known, but not allowed (`PERMISSION_DENIED`).
    Denied,
    /// Absent, or not to be known by this caller (`NOT_FOUND`).
    NotFound,
    /// The same key with other content (`ALREADY_EXISTS`).
    Exists,
    /// The wrong state: someone must act first (`FAILED_PRECONDITION`).
    Precondition,
    /// A lost race: read again and redo the whole step (`ABORTED`).
    Aborted,
    /// Over a limit or a budget: later, or less (`RESOURCE_EXHAUSTED`).
    Exhausted,
    /// Not reachable for now: the same call again, with back-off (`UNAVAILABLE`).
    Unavailable,
    /// Out of time (`DEADLINE_EXCEEDED`).
    Deadline,
    /// The caller left (`CANCELLED`).
    Cancelled,
    /// Our fault (`INTERNAL`).
    Internal,
    /// Stored data fails its check (`DATA_LOSS`).
    DataLoss,
}

/// A word that is no reason of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such reason")]
pub struct NotAReason;

macro_rules! reasons {
    ($($variant:ident $name:literal $class:ident $sentence:literal $hint:literal;)*) => {
        /// Why a request was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each variant's sentence is its documentation")]
        pub enum Reason { $($variant,)* }

        impl Reason {
            /// All of them, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word on the wire, such as `QUEUE_TASK_NOT_FOUND`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What the caller can do about it.
            pub const fn class(self) -> Class {
                match self { $(Self::$variant => Class::$class,)* }
            }

            /// One sentence for a person, with `{key}` for metadata.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }

            /// What a person can do next: an action.
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$variant => $hint,)* }
            }
        }
    };
}

reasons! {
    // Requests as such.
    RequestInvalid "REQUEST_INVALID" Invalid
        "the request has fields that are out of bounds" "correct the fields named below";
    RequestIdReused "REQUEST_ID_REUSED" Exists
        "request id {request_id} was used before with other content" "send the change under a new request id";
    RequestTooLarge "REQUEST_TOO_LARGE" Exhausted
        "the request is larger than {max_bytes} bytes" "send less text, or several requests";
    RpcDeadlinePassed "RPC_DEADLINE_PASSED" Deadline
        "the call ran out of time" "send the same request again with the same request id";
    RpcCancelled "RPC_CANCELLED" Cancelled
        "the caller left before the answer" "nothing to do";
    RpcInternalFault "RPC_INTERNAL_FAULT" Internal
        "internal error" "report the request id";
    RpcUnknownMethod "RPC_UNKNOWN_METHOD" NotFound
        "there is no method {method}" "list the methods with grpcurl";
    ServiceUnavailable "SERVICE_UNAVAILABLE" Unavailable
        "{service} does not answer" "wait a moment, or look at `vivarium status`";
    ServiceDraining "SERVICE_DRAINING" Unavailable
        "{service} is restarting" "send the same request again";

    // Who may call.
    AuthCertificateMissing "AUTH_CERTIFICATE_MISSING" Unauthenticated
        "the call carries no client certificate of this world" "use the flags of `vivarium grpcurl-args`";
    AuthCertificateExpired "AUTH_CERTIFICATE_EXPIRED" Unauthenticated
        "the client certificate has expired" "connect again with a renewed certificate";
    AuthTokenMissing "AUTH_TOKEN_MISSING" Unauthenticated
        "the call carries no internal token" "call through the gateway or with an operator certificate";
    AuthTokenInvalid "AUTH_TOKEN_INVALID" Unauthenticated
        "the internal token is not valid for this call" "nothing a person can do; report the request id";
    AuthTokenExpired "AUTH_TOKEN_EXPIRED" Unauthenticated
        "the internal token has expired" "send the call again";
    AuthNotPermitted "AUTH_NOT_PERMITTED" Denied
        "{caller} may not call {method}" "use an identity that the call matrix allows";
    AuthSessionMissing "AUTH_SESSION_MISSING" Unauthenticated
        "this browser is not signed in" "open a new link from `vivarium status --link`";
    AuthOriginRefused "AUTH_ORIGIN_REFUSED" Denied
        "the request does not come from this panel" "open the panel at its own address";
    AuthLinkSpent "AUTH_LINK_SPENT" Unauthenticated
        "this sign-in link was used or has expired" "ask for a new one with `vivarium status --link`";

    // The log.
    StoreBusy "STORE_BUSY" Unavailable
        "the store is busy" "send the same request again";
    StoreCorrupt "STORE_CORRUPT" DataLoss
        "stored data fails its check" "run `vivarium audit verify` and restore from a backup";
    StoreUnreachable "STORE_UNREACHABLE" Unavailable
        "{place} does not answer: {what}" "start the server or correct world/config/ledger.toml; `vivarium doctor` tries it";
    StoreRefused "STORE_REFUSED" Precondition
        "{place} refuses: {what}" "correct the account, its rights or the database's name in world/config/ledger.toml";
    StoreOtherWorld "STORE_OTHER_WORLD" Precondition
        "{place} holds the ledgers of another world" "name another database or another schema in world/config/ledger.toml";
    StoreNotMoved "STORE_NOT_MOVED" Precondition
        "this world's ledgers lie in {kept} and not in {place}" "set world/config/ledger.toml back, or move them with `vivarium world move`";
    StoreOccupied "STORE_OCCUPIED" Precondition
        "{place} holds another ledger already" "move to another database or schema, or put what lies there away first";
    StoreOwned "STORE_OWNED" Precondition
        "another process writes to the ledger in {place}" "stop the world where it runs, then try again";
    StoreFull "STORE_FULL" Unavailable
        "the disk is full" "make room on the disk that holds the world: its service goes on by itself";
    StoreReadOnly "STORE_READ_ONLY" Unavailable
        "the ledger cannot be written" "see to it that the world's folder can be written: its service goes on by itself";
    LedgerInboxFull "LEDGER_INBOX_FULL" Exhausted
        "{service} has more work than it can take" "send the same request again in a moment";
    LedgerDiverged "LEDGER_DIVERGED" Precondition
        "the log of {ledger} is not the one that was followed before" "restore the log or the follower from one backup";
    LedgerCursorInvalid "LEDGER_CURSOR_INVALID" Invalid
        "the cursor lies beyond the end of the log" "start from sequence 0";
    LedgerNotReached "LEDGER_NOT_REACHED" Unavailable
        "the wanted sequence is not visible yet" "send the same request again";
    LedgerTextNotFound "LEDGER_TEXT_NOT_FOUND" NotFound
        "there is no text {text}, or it was erased" "nothing to do";
    LedgerSegmentAway "LEDGER_SEGMENT_AWAY" Precondition
        "a segment file that holds older rows of the log is not in its place" "put the file back that `vivarium audit verify` names";

    // Configuration.
    ConfigInvalid "CONFIG_INVALID" Invalid
        "the configuration is not valid: {what}" "correct the file named in the message";
    ConfigKeyUnknown "CONFIG_KEY_UNKNOWN" Invalid
        "there is no setting {key}; the nearest is {nearest}" "correct the name of the setting";

    // Tasks and the world's controls.
    QueueTaskNotFound "QUEUE_TASK_NOT_FOUND" NotFound
        "this world has no task {task}" "check that --world names the world you added it to";
    QueueTaskKeyTaken "QUEUE_TASK_KEY_TAKEN" Exists
        "the task key {key} was used before" "choose another key";
    QueueTaskDuplicate "QUEUE_TASK_DUPLICATE" Exists
        "an open task asks for the same" "look at {task}";
    QueueTaskTooDeep "QUEUE_TASK_TOO_DEEP" Precondition
        "the chain of tasks would be deeper than {max}" "depend on an earlier task, or do the work here";
    QueueDependencyUnknown "QUEUE_DEPENDENCY_UNKNOWN" Precondition
        "the dependency {dependency} does not exist" "add it first, or in the same batch";
    QueueDependencySelf "QUEUE_DEPENDENCY_SELF" Precondition
        "the task {task} depends on itself" "remove it from its own dependencies";
    QueueDependencyCycle "QUEUE_DEPENDENCY_CYCLE" Precondition
        "the dependencies of {task} form a circle" "remove one of them";
    QueueFull "QUEUE_FULL" Exhausted
        "this world has its limit of {max} open tasks" "finish, cancel or raise the limit";
    QueueTransitionRefused "QUEUE_TRANSITION_REFUSED" Precondition
        "a task that is {state} cannot be asked to {request}" "look at the task with `vivarium show`";
    QueueEtagStale "QUEUE_ETAG_STALE" Aborted
        "the task changed since it was read" "read it again and repeat the edit";
    QueueRecurrenceNotFound "QUEUE_RECURRENCE_NOT_FOUND" NotFound
        "this world has no recurrence {key}" "see them all with `vivarium recurrence list`";
    QueueLeaseLost "QUEUE_LEASE_LOST" Aborted
        "the lease {lease} is not live any more" "drop the work: another attempt has it";
    QueueLeaseHeld "QUEUE_LEASE_HELD" Precondition
        "the task is being worked on" "wait, or cancel it";
    QueueNothingReady "QUEUE_NOTHING_READY" Precondition
        "there is nothing to lease: {why}" "wait for work with the runner stream";
    QueueHalted "QUEUE_HALTED" Precondition
        "the world is halted" "resume it with `vivarium resume`";
    QueuePaused "QUEUE_PAUSED" Precondition
        "the world is paused" "set a pace with `vivarium pace`";
    QueueNotHalted "QUEUE_NOT_HALTED" Precondition
        "the world is not halted" "nothing to resume";
    QueuePaceNotStep "QUEUE_PACE_NOT_STEP" Precondition
        "steps can be bought only at the pace step" "set it with `vivarium pace step`";
    QueueModeUnavailable "QUEUE_MODE_UNAVAILABLE" Precondition
        "the mode {mode} is not built yet" "use docs_only or run_sandboxed";

    // Cycles, models and money.
    ActionUnknown "ACTION_UNKNOWN" Invalid
        "there is no action {action}" "use an action of the catalogue";
    ActionInvalid "ACTION_INVALID" Invalid
        "the action's fields are out of bounds" "correct the fields named";
    ActionModeForbids "ACTION_MODE_FORBIDS" Denied
        "the mode {mode} forbids {action}" "use an action of the catalogue";
    ActionNotHere "ACTION_NOT_HERE" Precondition
        "{action} is not possible in this kind of cycle" "use an action of the catalogue";
    ActionTooMany "ACTION_TOO_MANY" Exhausted
        "more than {max} actions" "continue in the next step";
    ActionQuotaSpent "ACTION_QUOTA_SPENT" Exhausted
        "today's {max} uses of {action} are spent" "wait for the next day of the world";
    ActionRepeated "ACTION_REPEATED" Precondition
        "the same action was asked for before and nothing has changed" "do something else";
    ActionNothingStaged "ACTION_NOTHING_STAGED" Precondition
        "the task asks for a document and none is staged" "write the document first";
    ToolPathRefused "TOOL_PATH_REFUSED" Denied
        "the path {path} does not lie in a root that may be read" "use `where` to see the roots";
    CommandNotListed "COMMAND_NOT_LISTED" Denied
        "the program {program} is not in the table" "list the programs with `vivarium sandbox programs`";
    CommandArgumentRefused "COMMAND_ARGUMENT_REFUSED" Denied
        "the rule {rule} of {program} refuses argument {at}: {why}" "try it with `vivarium sandbox try`";
    SandboxIncomplete "SANDBOX_INCOMPLETE" Precondition
        "a layer of the sandbox is missing: {why}" "see `vivarium doctor`";
    ModelUnknown "MODEL_UNKNOWN" Invalid
        "no provider has a model {model}" "list the models with `vivarium model list`";
    ModelPriceUnknown "MODEL_PRICE_UNKNOWN" Invalid
        "the price of {model} is not known" "add it to world/rules/prices.toml";
    ModelNoProvider "MODEL_NO_PROVIDER" Precondition
        "no language model is usable: {why}" "run `vivarium model fetch` or set a key";
    ModelKeyInvalid "MODEL_KEY_INVALID" Invalid
        "the key does not have 16 to 256 printable characters" "copy the key again";
    ModelProviderUnknown "MODEL_PROVIDER_UNKNOWN" NotFound
        "the configuration has no provider {provider}" "list the providers with `vivarium key status`";
    ModelKeyMissing "MODEL_KEY_MISSING" Precondition
        "no key is set for the provider {provider}" "set it with `vivarium key set`";
    ModelKeyRefused "MODEL_KEY_REFUSED" Precondition
        "the provider {provider} does not accept the key" "set a valid key with `vivarium key set`";
    ModelUnreachable "MODEL_UNREACHABLE" Unavailable
        "the provider {provider} does not answer" "look whether it runs and can be reached from here";
    ModelRateLimited "MODEL_RATE_LIMITED" Exhausted
        "the provider {provider} asks to wait" "nothing to do: the call comes again by itself";
    ModelContextOverflow "MODEL_CONTEXT_OVERFLOW" Precondition
        "the prompt does not fit the window of {model}" "shorten the task, or use a model with a larger window";
    ModelRequestRefused "MODEL_REQUEST_REFUSED" Internal
        "the provider {provider} refuses the request" "look at the provider's words in the executor's log";
    ModelTimedOut "MODEL_TIMED_OUT" Unavailable
        "the model took too long" "nothing to do: the call comes again by itself";
    ModelUpstreamFailed "MODEL_UPSTREAM_FAILED" Unavailable
        "the provider {provider} failed" "nothing to do: the call comes again by itself";
    ModelAnswerBroken "MODEL_ANSWER_BROKEN" Unavailable
        "the answer of the provider {provider} cannot be read" "look whether its address leads to a chat completions interface";
    ModelFileMissing "MODEL_FILE_MISSING" Precondition
        "no model has been fetched" "run `vivarium model fetch`";
    ModelEngineMissing "MODEL_ENGINE_MISSING" Precondition
        "the engine of the embedded model has not been fetched" "run `vivarium model fetch`";
    ModelEngineFailed "MODEL_ENGINE_FAILED" Precondition
        "the engine of the embedded model does not work" "look at the executor's log, then run `vivarium model fetch` again";
    ModelNeedsConsent "MODEL_NEEDS_CONSENT" Precondition
        "a local model server was noticed and nobody has agreed to its use" "agree to it in the panel, under World";
    ModelFetchFailed "MODEL_FETCH_FAILED" Unavailable
        "{what} could not be fetched; tried {tried}" "when the connection is back, `vivarium model fetch` resumes where it stopped";
    ModelFetchCorrupt "MODEL_FETCH_CORRUPT" Precondition
        "{what} is not the file that the manifest names; tried {tried}" "nothing of it was kept: try another source with --source, or look at world/config/models.toml";
    ModelFetchBusy "MODEL_FETCH_BUSY" Aborted
        "another fetch of {what} is under way" "wait for it, then run the command again";
    ModelDiskFull "MODEL_DISK_FULL" Precondition
        "{what} needs {needed} more in {folder}, and {free} are free" "make room, or name another folder with VIVARIUM_MODEL_CACHE";
    ModelPythonMissing "MODEL_PYTHON_MISSING" Precondition
        "no usable Python was found: {why}" "install Python 3.10 or later with its venv module (Debian and Ubuntu: apt install python3-venv)";
    BudgetSpent "BUDGET_SPENT" Exhausted
        "the budget of {scope} does not allow this call" "raise the budget or wait for the next spend day";
    SafetyRefused "SAFETY_REFUSED" Denied
        "the safety rule {rule} refuses this" "change the text, or release it as a person";
    SafetyRelay "SAFETY_RELAY" Denied
        "the text repeats a passage that was marked as an injection" "write it in own words";
    ExecutorCycleNotFound "EXECUTOR_CYCLE_NOT_FOUND" NotFound
        "this world has no cycle {cycle}" "look for it on the task's page";

    // Residents and their society.
    IdentityResidentNotFound "IDENTITY_RESIDENT_NOT_FOUND" NotFound
        "this world has no resident {resident}" "list them with the panel's World page";
    MemoryDuplicate "MEMORY_DUPLICATE" Exists
        "a memory like this is kept already" "supersede the earlier one";
    MemoryNotFound "MEMORY_NOT_FOUND" NotFound
        "there is no memory {memory}" "recall it again";
    WalletInsufficient "WALLET_INSUFFICIENT" Exhausted
        "the wallet holds less than the price of {price} tokens" "wait for the next allowance";
    SocialRoomNotFound "SOCIAL_ROOM_NOT_FOUND" NotFound
        "there is no room {room}" "list the rooms";
    SocialRoomClosed "SOCIAL_ROOM_CLOSED" Precondition
        "the room {room} is closed" "use another room";
    SocialEcho "SOCIAL_ECHO" Precondition
        "the message says nearly the same as one of the last three" "say something new or nothing";
    SocialConversationSpent "SOCIAL_CONVERSATION_SPENT" Exhausted
        "the conversation with {resident} in {room} is spent until the next day" "go on with something else";
    SocialMessageNotFound "SOCIAL_MESSAGE_NOT_FOUND" NotFound
        "there is no message {message} in this room" "read the room again";
    SocialLetterNotFound "SOCIAL_LETTER_NOT_FOUND" NotFound
        "there is no letter {letter}" "read the mailbox again";
    SocialDocumentNotFound "SOCIAL_DOCUMENT_NOT_FOUND" NotFound
        "the library has no document {document}" "list the library";
    SocialJournalNotFound "SOCIAL_JOURNAL_NOT_FOUND" NotFound
        "there is no journal entry {journal}" "list the entries";
    BountyNotFound "BOUNTY_NOT_FOUND" NotFound
        "there is no bounty {bounty}" "list them with `vivarium bounties`";
    BountyNotOpen "BOUNTY_NOT_OPEN" Precondition
        "the bounty {bounty} is over" "nothing of it lies in escrow any more";

    // Review.
    ReviewSubmissionNotFound "REVIEW_SUBMISSION_NOT_FOUND" NotFound
        "there is no submission {submission}" "look at the Inbox";
    ReviewDraftNotFound "REVIEW_DRAFT_NOT_FOUND" NotFound
        "there is no draft {document}" "look at the submission";
    ReviewPathRefused "REVIEW_PATH_REFUSED" Invalid
        "the path {path} is no place for a document" "use a path such as resident_suggestions/<resident>/<name>.md";
    ReviewBaseStale "REVIEW_BASE_STALE" Aborted
        "the document changed since version {base}" "read the newest version and write again";
    ReviewNotPending "REVIEW_NOT_PENDING" Precondition
        "the submission is {state}" "nothing waits for a decision here";
    ApprovalStale "APPROVAL_STALE" Aborted
        "what is decided about changed since it was read" "read it again before deciding";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Reason {
    type Err = NotAReason;
    fn from_str(text: &str) -> Result<Self, NotAReason> {
        Self::ALL.iter().find(|reason| reason.name() == text).copied().ok_or(NotAReason)
    }
}

impl Reason {
    /// The sentence with each `{key}` replaced by what `value` gives for it, or by `?`.
    pub fn tell(self, value: impl Fn(&str) -> Option<String>) -> String {
        let mut told = String::new();
        let mut rest = self.sentence();
        while let Some((before, after)) = rest.split_once('{') {
            told.push_str(before);
            let (key, tail) = after.split_once('}').unwrap_or((after, ""));
            told.push_str(&value(key).unwrap_or_else(|| "?".to_owned()));
            rest = tail;
        }
        told.push_str(rest);
        told
    }
}

/// Reasons with which a process ends, by exit code: a full disk takes no log line, but it takes this.
const EXITS: [(u8, Reason); 4] = [
    (65, Reason::StoreCorrupt),
    (66, Reason::LedgerSegmentAway),
    (73, Reason::StoreFull),
    (74, Reason::StoreReadOnly),
];

impl Reason {
    /// The reason that stands in a chain of errors, if one does.
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(coded) = error.downcast_ref::<Coded>() {
                return Some(coded.reason);
            }
            if let Some(place) = error.downcast_ref::<place::Error>() {
                return Some(place.reason());
            }
            let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
            if kind == Some(io::ErrorKind::StorageFull) {
                return Some(Self::StoreFull);
            }
            if kind == Some(io::ErrorKind::ReadOnlyFilesystem) {
                return Some(Self::StoreReadOnly);
            }
            next = error.source();
        }
        None
    }

    /// The exit code of a process that ends for this reason, where it has one of its own.
    pub fn exit_code(self) -> Option<u8> {
        EXITS.into_iter().find(|(_, reason)| *reason == self).map(|(code, _)| code)
    }

    /// The reason for which a process ended with this code.
    pub fn of_exit_code(code: i32) -> Option<Self> {
        EXITS.into_iter().find(|(own, _)| i32::from(*own) == code).map(|(_, reason)| reason)
    }
}

/// A link in a chain of errors that says for which reason all of it happened.
#[derive(Debug)]
pub struct Coded {
    reason: Reason,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Coded {
    /// The reason alone.
    pub const fn new(reason: Reason) -> Self {
        Self { reason, source: None }
    }

    /// The reason of an error.
    pub fn because(reason: Reason, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { reason, source: Some(source.into()) }
    }
}

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.sentence())
    }
}

impl Error for Coded {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_its_own_name_and_reads_back() {
        let names: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        assert!(Reason::ALL.iter().all(|reason| reason.name().parse() == Ok(*reason)));
    }

    #[test]
    fn a_reason_is_found_in_a_chain_of_errors_and_in_an_exit_code() {
        #[derive(Debug, thiserror::Error)]
        #[error("the ledger does not open")]
        struct Outer(#[source] Coded);
        let outer = Outer(Coded::because(Reason::StoreReadOnly, "no rights"));
        assert_eq!(Reason::of(&outer), Some(Reason::StoreReadOnly));
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(Reason::of(&full), Some(Reason::StoreFull));
        assert_eq!(Reason::of(&io::Error::other("no word of it")), None);
        let code = Reason::StoreFull.exit_code().map(i32::from);
        assert_eq!(code.and_then(Reason::of_exit_code), Some(Reason::StoreFull));
        assert_eq!((Reason::QueueFull.exit_code(), Reason::of_exit_code(1)), (None, None));
    }

    #[test]
    fn a_sentence_is_filled_from_metadata() {
        let told = Reason::QueueTaskNotFound.tell(|key| (key == "task").then(|| "tsk_1".into()));
        assert_eq!(told, "this world has no task tsk_1");
        assert_eq!(Reason::QueueTaskNotFound.tell(|_| None), "this world has no task ?");
    }
}
