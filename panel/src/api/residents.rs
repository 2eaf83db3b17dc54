//! Residents, their wallets, memories and journals.

use vivarium_proto::identity::v1 as pb;
use vivarium_proto::social::v1 as social;

use super::{Answer, Method, call, unary, wire};
use crate::state::resident::{Journal, Memory, Posting, Resident, Supply, Wallet};
use crate::state::tone::Tone;
use crate::state::{Page, Position};

const LIST: Method = unary("/vivarium.identity.v1.ResidentService/ListResidents");
const GET: Method = unary("/vivarium.identity.v1.ResidentService/GetResident");
const WALLET: Method = unary("/vivarium.identity.v1.WalletService/GetWallet");
const ENTRIES: Method = unary("/vivarium.identity.v1.WalletService/ListEntries");
const SUPPLY: Method = unary("/vivarium.identity.v1.WalletService/GetSupply");
const MEMORIES: Method = unary("/vivarium.identity.v1.MemoryService/ListMemories");
const FORGET: Method = unary("/vivarium.identity.v1.MemoryService/ForgetMemory");
const JOURNALS: Method = unary("/vivarium.social.v1.JournalService/ListJournals");

#[cfg(test)]
pub(super) const METHODS: &[Method] =
    &[LIST, GET, WALLET, ENTRIES, SUPPLY, MEMORIES, FORGET, JOURNALS];

/// All residents, in the order in which they joined.
pub(crate) async fn list() -> Answer<Vec<Resident>> {
    let request =
        pb::ListResidentsRequest { page_size: 1_000, ..pb::ListResidentsRequest::default() };
    let answer: pb::ListResidentsResponse = call(LIST, &request).await?;
    Ok(answer.residents.into_iter().map(resident).collect())
}

/// One resident by id or handle.
pub(crate) async fn get(resident: &str) -> Answer<Resident> {
    let request = pb::GetResidentRequest {
        resident: resident.to_owned(),
        ..pb::GetResidentRequest::default()
    };
    let answer: pb::GetResidentResponse = call(GET, &request).await?;
    Ok(self::resident(answer.resident.unwrap_or_default()))
}

/// What a resident has.
pub(crate) async fn wallet(resident: &str) -> Answer<Wallet> {
    let request =
        pb::GetWalletRequest { resident: resident.to_owned(), ..pb::GetWalletRequest::default() };
    let answer: pb::GetWalletResponse = call(WALLET, &request).await?;
    let wire = answer.wallet.unwrap_or_default();
    Ok(Wallet {
        free: wire.free_tokens,
        journal: wire.journal_tokens,
        free_cap: wire.free_cap_tokens,
        journal_cap: wire.journal_cap_tokens,
        received: wire.received_tokens,
        spent: wire.spent_tokens,
    })
}

/// Postings, newest first; of one resident, if it is not empty.
pub(crate) async fn entries(
    resident: &str,
    page_size: u32,
    page_token: String,
) -> Answer<Page<Posting>> {
    let request = pb::ListEntriesRequest {
        resident: resident.to_owned(),
        page_size,
        page_token,
        ..pb::ListEntriesRequest::default()
    };
    let answer: pb::ListEntriesResponse = call(ENTRIES, &request).await?;
    let rows = answer.postings.into_iter().map(posting).collect();
    Ok(Page { rows, next: answer.next_page_token })
}

/// All tokens there are.
pub(crate) async fn supply() -> Answer<Supply> {
    let answer: pb::GetSupplyResponse = call(SUPPLY, &pb::GetSupplyRequest::default()).await?;
    let wire = answer.supply.unwrap_or_default();
    Ok(Supply {
        supply: wire.supply_tokens,
        wallets: wire.wallet_tokens,
        commons: wire.commons_tokens,
        escrow: wire.escrow_tokens,
        minted_today: wire.minted_today_tokens,
        burnt_today: wire.burnt_today_tokens,
    })
}

/// A resident's memories, newest first, with those set aside for a person to look at.
pub(crate) async fn memories(resident: &str, text: &str) -> Answer<Vec<Memory>> {
    let states = [pb::MemoryState::Live, pb::MemoryState::Quarantined];
    let request = pb::ListMemoriesRequest {
        resident: resident.to_owned(),
        states: states.into_iter().map(i32::from).collect(),
        text: text.to_owned(),
        page_size: 200,
        ..pb::ListMemoriesRequest::default()
    };
    let answer: pb::ListMemoriesResponse = call(MEMORIES, &request).await?;
    Ok(answer.memories.into_iter().map(memory).collect())
}

/// Erases a memory's text for good.
pub(crate) async fn forget(
    request_id: String,
    memory_id: String,
    reason: String,
) -> Answer<Position> {
    let answer: pb::ForgetMemoryResponse =
        call(FORGET, &pb::ForgetMemoryRequest { request_id, memory_id, reason }).await?;
    Ok(wire::position(answer.position))
}

/// A resident's journal entries, newest first, without their texts.
pub(crate) async fn journals(resident: &str) -> Answer<Vec<Journal>> {
    let request = social::ListJournalsRequest {
        resident: resident.to_owned(),
        page_size: 50,
        ..social::ListJournalsRequest::default()
    };
    let answer: social::ListJournalsResponse = call(JOURNALS, &request).await?;
    Ok(answer.journals.into_iter().map(journal).collect())
}

fn resident(wire: pb::Resident) -> Resident {
    let status = match wire.status() {
        pb::ResidentStatus::Unspecified => ("unknown", Tone::Plain),
        pb::ResidentStatus::Active => ("active", Tone::Good),
        pb::ResidentStatus::Resting => ("resting", Tone::Waiting),
        pb::ResidentStatus::Away => ("away", Tone::Plain),
        pb::ResidentStatus::Retired => ("retired", Tone::Plain),
    };
    let identity = wire.identity.unwrap_or_default();
    let core = identity.core.unwrap_or_default();
    let present = identity.mutable.unwrap_or_default();
    let profile = identity.profile.unwrap_or_default();
    let about = [
        ("In its own words", core.identity_statement),
        ("How it talks", core.communication_style),
        ("At present about", present.current_focus),
        ("Mood", present.current_mood),
        ("Interests", present.current_interests),
        ("How it works", present.working_style),
        ("Likes", present.likes),
        ("Dislikes", present.dislikes),
        ("Finds beautiful", present.aesthetic_preferences),
        ("Quirks", present.quirks),
    ];
    let mut facets: Vec<_> = profile.facets.into_iter().collect();
    facets.sort();
    Resident {
        id: wire.resident_id,
        handle: wire.handle,
        name: identity.name,
        summary: identity.summary,
        about: about.into_iter().filter(|(_, words)| !words.is_empty()).collect(),
        traits: core.personality_traits.into_iter().chain(core.core_values).collect(),
        display: profile.display,
        facets,
        status,
        sessions: wire.session_count,
        joined: wire::moment(wire.joined_time),
        approved: wire.approved_count,
        rejected: wire.rejected_count,
        memories: wire.memory_count,
        free: wire.free_tokens,
        journal: wire.journal_tokens,
    }
}

fn posting(wire: pb::Posting) -> Posting {
    let entry = wire.entry.unwrap_or_default();
    let transfer = |moved: pb::Transfer| (moved.from, moved.to, moved.amount_tokens);
    Posting {
        sequence: wire.sequence,
        cause: entry.cause,
        subject: entry.subject,
        transfers: entry.transfers.into_iter().map(transfer).collect(),
        time: wire::moment(wire.posted_time),
        day: entry.day,
        change: wire.change_tokens,
    }
}

fn memory(wire: pb::Memory) -> Memory {
    let kind = match wire.kind() {
        pb::MemoryKind::Unspecified | pb::MemoryKind::Fact => "fact",
        pb::MemoryKind::Lesson => "lesson",
        pb::MemoryKind::Preference => "preference",
        pb::MemoryKind::Person => "person",
        pb::MemoryKind::Promise => "promise",
        pb::MemoryKind::Reflection => "reflection",
        pb::MemoryKind::Summary => "summary",
    };
    Memory {
        kind,
        quarantined: wire.state() == pb::MemoryState::Quarantined,
        id: wire.memory_id,
        text: wire.text,
        tags: wire.tags,
        importance: wire.importance,
        kept: wire::moment(wire.kept_time),
    }
}

fn journal(wire: social::Journal) -> Journal {
    let kind = match wire.r#type() {
        social::JournalType::Unspecified => "note",
        social::JournalType::Reflection => "reflection",
        social::JournalType::Learning => "learning",
        social::JournalType::Observation => "observation",
        social::JournalType::Correction => "correction",
    };
    Journal {
        kind,
        erased: wire.state() == social::JournalState::Erased,
        id: wire.journal_id,
        day: wire.day,
        written: wire::moment(wire.written_time),
        length: wire.length,
    }
}
