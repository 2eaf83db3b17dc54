//! Tokens: accounts, balanced entries, and what each account holds.
//!
//! Invariants: all accounts together are 0; only `mint` is ever below 0; a business key moves tokens
//! once (the ledger refuses a second use).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use vivarium_types::ids::{BountyId, ResidentId};

/// Where tokens lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Account {
    /// A resident's tokens for anything.
    Free(ResidentId),
    /// A resident's tokens for journals first.
    Journal(ResidentId),
    /// The prize of a bounty that is not decided.
    BountyEscrow(BountyId),
    /// What belongs to all.
    Commons,
    /// What is shared among the thrifty.
    Efficiency,
    /// Where tokens come from; below 0 by all that were ever made.
    Mint,
    /// Where tokens end.
    Burn,
}

/// Text that names no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no account such as free:res_…, journal:res_…, escrow:bounty:bty_…, commons, efficiency, mint \
     or burn"
)]
pub struct NotAnAccount;

impl Account {
    /// The resident it belongs to.
    pub const fn resident(self) -> Option<ResidentId> {
        match self {
            Self::Free(resident) | Self::Journal(resident) => Some(resident),
            Self::BountyEscrow(_) | Self::Commons | Self::Efficiency | Self::Mint | Self::Burn => {
                None
            }
        }
    }

    /// Whether what lies there is promised and not given yet.
    pub const fn is_escrow(self) -> bool {
        match self {
            Self::BountyEscrow(_) => true,
            Self::Free(_)
            | Self::Journal(_)
            | Self::Commons
            | Self::Efficiency
            | Self::Mint
            | Self::Burn => false,
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free(resident) => write!(f, "free:{resident}"),
            Self::Journal(resident) => write!(f, "journal:{resident}"),
            Self::BountyEscrow(bounty) => write!(f, "escrow:bounty:{bounty}"),
            Self::Commons => f.write_str("commons"),
            Self::Efficiency => f.write_str("efficiency"),
            Self::Mint => f.write_str("mint"),
            Self::Burn => f.write_str("burn"),
        }
    }
}

impl FromStr for Account {
    type Err = NotAnAccount;

    fn from_str(text: &str) -> Result<Self, NotAnAccount> {
        let owner = |id: &str| id.parse().map_err(|_| NotAnAccount);
        match text.split_once(':') {
            Some(("free", id)) => owner(id).map(Self::Free),
            Some(("journal", id)) => owner(id).map(Self::Journal),
            Some(("escrow", rest)) => {
                let bounty = rest.strip_prefix("bounty:").ok_or(NotAnAccount)?;
                bounty.parse().map(Self::BountyEscrow).map_err(|_| NotAnAccount)
            }
            Some(_) => Err(NotAnAccount),
            None => match text {
                "commons" => Ok(Self::Commons),
                "efficiency" => Ok(Self::Efficiency),
                "mint" => Ok(Self::Mint),
                "burn" => Ok(Self::Burn),
                _ => Err(NotAnAccount),
            },
        }
    }
}

/// A movement from one account to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// The account that gives.
    pub from: Account,
    /// The account that takes.
    pub to: Account,
    /// Above 0.
    pub amount: i64,
}

/// What tokens moved for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Everybody's tokens of a day.
    Allowance,
    /// Everybody's tokens of a Sunday.
    Sunday,
    /// Approved work.
    Wage,
    /// Approved work that cost less than it might.
    Saving,
    /// A gift of the human with an approval.
    Tip,
    /// A letter of the human, or its first answer to one.
    Letter,
    /// What an action costs.
    Price,
    /// What a resident brought from another world.
    Import,
    /// A bounty's prize, on its way into escrow or back.
    Bounty,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Allowance,
        Self::Sunday,
        Self::Wage,
        Self::Saving,
        Self::Tip,
        Self::Letter,
        Self::Price,
        Self::Import,
        Self::Bounty,
    ];

    /// Its word in the log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allowance => "allowance",
            Self::Sunday => "sunday",
            Self::Wage => "wage",
            Self::Saving => "saving",
            Self::Tip => "tip",
            Self::Letter => "letter",
            Self::Price => "price",
            Self::Import => "import",
            Self::Bounty => "bounty",
        }
    }
}

/// Transfers that commit whole, under a key that is used once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Unique for ever.
    pub key: String,
    /// At least one.
    pub transfers: Vec<Transfer>,
    /// What for.
    pub cause: Cause,
    /// What it is about, by id or number.
    pub subject: String,
    /// The day it was booked on.
    pub day: u64,
}

/// What every account holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wallets {
    balances: BTreeMap<Account, i64>,
    totals: BTreeMap<ResidentId, Totals>,
    today: Today,
}

/// What a resident ever received and spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// All it ever received.
    pub received: i64,
    /// All it ever paid.
    pub spent: i64,
}

/// What was made and destroyed on one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Today {
    /// The day.
    pub day: u64,
    /// Tokens made, less those that went back to where they came from.
    pub minted: i64,
    /// Tokens destroyed.
    pub burnt: i64,
}

/// All tokens there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Supply {
    /// All ever made, less those that went back.
    pub minted: i64,
    /// All ever destroyed.
    pub burnt: i64,
    /// What belongs to all.
    pub commons: i64,
    /// In wallets.
    pub wallets: i64,
    /// Promised and not given yet.
    pub escrow: i64,
    /// Of one day.
    pub today: Today,
}

impl Wallets {
    /// What an account holds.
    pub fn balance(&self, account: Account) -> i64 {
        self.balances.get(&account).copied().unwrap_or(0)
    }

    /// What a resident ever received and spent.
    pub fn totals(&self, resident: ResidentId) -> Totals {
        self.totals.get(&resident).copied().unwrap_or_default()
    }

    /// All tokens there are, on `day`.
    pub fn supply(&self, day: u64) -> Supply {
        let held_in = |meant: fn(Account) -> bool| {
            let those = self.balances.iter().filter(move |(account, _)| meant(**account));
            those.map(|(_, held)| held).sum()
        };
        Supply {
            minted: -self.balance(Account::Mint),
            burnt: self.balance(Account::Burn),
            commons: self.balance(Account::Commons),
            wallets: held_in(|account| account.resident().is_some()),
            escrow: held_in(Account::is_escrow),
            today: if self.today.day == day {
                self.today
            } else {
                Today { day, ..Today::default() }
            },
        }
    }

    /// The sum of all accounts: always 0.
    pub fn sum(&self) -> i64 {
        self.balances.values().sum()
    }

    /// The accounts that are below 0, but for `mint`: always none.
    pub fn overdrawn(&self) -> impl Iterator<Item = Account> {
        let below = |(account, held): (&Account, &i64)| {
            (*held < 0 && *account != Account::Mint).then_some(*account)
        };
        self.balances.iter().filter_map(below)
    }

    /// Books an entry.
    pub fn apply_moved(&mut self, entry: &Entry) {
        if self.today.day != entry.day {
            self.today = Today { day: entry.day, ..Today::default() };
        }
        for Transfer { from, to, amount } in &entry.transfers {
            *self.balances.entry(*from).or_default() -= amount;
            *self.balances.entry(*to).or_default() += amount;
            if let Some(resident) = from.resident() {
                self.totals.entry(resident).or_default().spent += amount;
            }
            if let Some(resident) = to.resident() {
                self.totals.entry(resident).or_default().received += amount;
            }
            if *from == Account::Mint {
                self.today.minted += amount;
            }
            if *to == Account::Mint {
                self.today.minted -= amount;
            }
            if *to == Account::Burn {
                self.today.burnt += amount;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vivarium_types::ids::Id as _;

    #[test]
    fn an_account_reads_back_from_its_name() {
        let resident = ResidentId::from_number(3);
        let accounts = [
            Account::Free(resident),
            Account::Journal(resident),
            Account::BountyEscrow(BountyId::from_number(4)),
            Account::Commons,
            Account::Efficiency,
            Account::Mint,
            Account::Burn,
        ];
        for account in accounts {
            assert_eq!(account.to_string().parse(), Ok(account));
        }
        for text in
            ["", "free", "free:me", "treasury", "mint:res_1", "escrow:bounty:res_1", "escrow:x"]
        {
            assert_eq!(text.parse::<Account>(), Err(NotAnAccount), "{text}");
        }
    }
}
