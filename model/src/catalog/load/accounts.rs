//! `[accounts.*]`: who pays, and which account belongs to which.

use super::super::toml_reader::{Item, Names, Table};
use super::super::{Account, AccountIdx};
use super::{Defaults, currency, next_index, time_zone};

/// The declared accounts.
pub(super) struct Accounts {
    pub(super) list: Vec<Account>,
    pub(super) by_name: Names<AccountIdx>,
}

/// Reads the declared accounts.
pub(super) fn read(section: Vec<(&str, Item<'_>)>, defaults: &Defaults) -> Accounts {
    let mut accounts = Accounts { list: Vec::new(), by_name: Names::default() };
    let mut parents = Vec::new();
    for (name, item) in section {
        let account = item.table().and_then(|table| read_account(name, table, defaults));
        let index = account.map(|(account, parent)| {
            let index = AccountIdx(next_index(&accounts.list));
            accounts.list.push(account);
            parents.push(parent);
            index
        });
        accounts.by_name.insert(name, index);
    }
    // A parent may be declared after its children.
    for (account, parent) in accounts.list.iter_mut().zip(&parents) {
        account.parent = parent.as_ref().and_then(|item| accounts.by_name.find(item, "account").copied());
    }
    check_cycles(&accounts.list, &parents);
    accounts
}

/// The account, and its parent's name.
fn read_account<'a>(name: &str, mut table: Table<'a>, defaults: &Defaults) -> Option<(Account, Option<Item<'a>>)> {
    let own_currency = table.optional("currency").map_or(Some(defaults.currency), |item| currency(&item));
    let zone = table.optional("time_zone").map_or(Some(defaults.time_zone.clone()), |item| time_zone(&item));
    let parent = table.optional("parent");
    table.finish();
    Some((Account { name: name.to_owned(), currency: own_currency?, time_zone: zone?, parent: None }, parent))
}

fn check_cycles(accounts: &[Account], parents: &[Option<Item<'_>>]) {
    // From which account's way up each one was first met.
    let mut met_from: Vec<Option<usize>> = vec![None; accounts.len()];
    for start in 0..accounts.len() {
        let mut next = Some(start);
        while let Some(at) = next {
            let (Some(met), Some(account)) = (met_from.get_mut(at), accounts.get(at)) else { break };
            if let (Some(from), Some(Some(parent))) = (*met, parents.get(at)) {
                if from == start {
                    let reason = format!("account {:?} would belong to itself", account.name);
                    parent.error(reason, "leave out one `parent` of the circle");
                }
                break;
            }
            *met = Some(start);
            next = account.parent.map(AccountIdx::at);
        }
    }
}
