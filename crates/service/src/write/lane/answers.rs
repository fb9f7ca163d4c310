//! Answers to requests under an `Idempotency-Key`, in the commit that does what they ask.
//!
//! The lane looks a request up when it comes to it, so of two copies the second finds the answer of the first. The answer is put together
//! when the last item is decided and goes with it; where the items took several commits, those before hold nothing of it.

use super::decision::Decision;
use super::pack::Pack;
use super::state::State;
use super::{Done, Reply};
use crate::base::error::Error;
use crate::base::store_error::read_failed;
use crate::stored::idempotency::{self, Known};

impl State {
    /// Looks up the requests of a group: one read for all. Whoever was answered before is not decided.
    pub(super) async fn claim(&self, replies: &mut [Reply]) -> Result<(), Error> {
        let mut asked: Vec<&mut Reply> =
            replies.iter_mut().filter(|own| own.once.is_some() && own.before.is_none()).collect();
        for replies in asked.chunks_mut(self.limits().get_keys.max(1)) {
            let keys: Vec<_> =
                replies.iter().filter_map(|own| Some(idempotency::row_key(&own.once.as_ref()?.request))).collect();
            let found = self.store().get(&keys).await.map_err(|error| read_failed(&error))?;
            let now = self.now();
            for (reply, row) in replies.iter_mut().zip(&found.value) {
                let Some(once) = &reply.once else { continue };
                match idempotency::known(&once.request, row.as_ref(), now) {
                    Ok(Known::New(claim)) => reply.claim = Some(claim),
                    Ok(Known::Answered(answer)) => reply.before = Some(Ok(answer)),
                    Err(error) => reply.before = Some(Err(error)),
                }
            }
        }
        Ok(())
    }

    /// Adds the answer to the request whose last item was decided just now, if it came under an `Idempotency-Key`.
    pub(super) fn answer(
        &self,
        entries: &[Decision],
        done: &[Done],
        replies: &[Reply],
        pack: &mut Pack,
    ) -> Result<(), Error> {
        let Some(last) = done.len().checked_sub(1) else { return Ok(()) };
        let at = entries[last].reply;
        let reply = &replies[at];
        let (Some(once), Some(claim)) = (&reply.once, &reply.claim) else { return Ok(()) };
        if entries.get(done.len()).is_some_and(|next| next.reply == at) {
            return Ok(());
        }
        let own = entries[..done.len()].iter().rev().take_while(|entry| entry.reply == at).count();
        if reply.done.len() + own < reply.items {
            return Ok(());
        }
        let all: Vec<Done> = reply.done.iter().chain(&done[done.len() - own..]).cloned().collect();
        if let Some(answer) = (once.render)(&all) {
            pack.answer(claim, &answer?, self.now());
        }
        Ok(())
    }
}
