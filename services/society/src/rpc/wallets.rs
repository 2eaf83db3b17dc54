//! Reading the society's accounts.

use tonic::{Request, Response, Status};
use vivarium_chassis::Violations;
use vivarium_proto::identity::v1 as pb;
use vivarium_proto::identity::v1::wallet_service_server::WalletService;

use super::{Door, convert, next_page, show};
use crate::domain::wallet::Account;
use crate::views::postings;

#[tonic::async_trait]
impl WalletService for Door {
    async fn get_wallet(
        &self,
        request: Request<pb::GetWalletRequest>,
    ) -> Result<Response<pb::GetWalletResponse>, Status> {
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        convert::name(&mut wrong, "resident", &wire.resident, true);
        wrong.finish()?;
        self.reached(wire.min_position).await?;
        let who = self.resident(&wire.resident).await?.resident;
        let wallet = self.ask(move |society| {
            let totals = society.wallets.totals(who);
            pb::Wallet {
                resident_id: who.to_string(),
                free_tokens: society.wallets.balance(Account::Free(who)),
                journal_tokens: society.wallets.balance(Account::Journal(who)),
                free_cap_tokens: society.rules.free_cap,
                journal_cap_tokens: society.rules.journal_cap,
                received_tokens: totals.received,
                spent_tokens: totals.spent,
            }
        });
        Ok(Response::new(pb::GetWalletResponse { wallet: Some(wallet.await?) }))
    }

    async fn list_entries(
        &self,
        request: Request<pb::ListEntriesRequest>,
    ) -> Result<Response<pb::ListEntriesResponse>, Status> {
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        convert::name(&mut wrong, "resident", &wire.resident, false);
        let mut wanted = convert::account(&mut wrong, &wire.account);
        let slice = convert::slice(&mut wrong, wire.page_size, &wire.page_token);
        wrong.finish()?;
        self.reached(wire.min_position).await?;
        wanted.resident = self.resident_if(&wire.resident).await?;
        let found = self.view(move |db| postings::page(db, wanted, slice)).await?;
        let last = found.last().map(|posting| posting.sequence);
        let next_page_token = next_page(found.len(), slice.limit, last);
        let postings = found.into_iter().map(|posting| show::posting(posting, wanted)).collect();
        Ok(Response::new(pb::ListEntriesResponse { postings, next_page_token }))
    }

    async fn get_supply(
        &self,
        request: Request<pb::GetSupplyRequest>,
    ) -> Result<Response<pb::GetSupplyResponse>, Status> {
        self.reached(request.into_inner().min_position).await?;
        let supply = self.ask(|society| society.wallets.supply(society.today.day)).await?;
        let supply = pb::Supply {
            minted_tokens: supply.minted,
            burnt_tokens: supply.burnt,
            supply_tokens: supply.minted - supply.burnt,
            commons_tokens: supply.commons,
            wallet_tokens: supply.wallets,
            escrow_tokens: supply.escrow,
            day: supply.today.day,
            minted_today_tokens: supply.today.minted,
            burnt_today_tokens: supply.today.burnt,
        };
        Ok(Response::new(pb::GetSupplyResponse { supply: Some(supply) }))
    }
}
