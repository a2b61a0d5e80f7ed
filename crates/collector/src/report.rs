//! Saying once what happens many times.

/// A trouble that lasts: said when it begins and when it is over, counted in between.
#[derive(Debug, Default)]
pub(crate) struct Repeated {
    count: Option<u64>,
}

impl Repeated {
    /// The trouble is there (again); `true` when it should be said.
    pub(crate) fn again(&mut self, by: u64) -> bool {
        let begins = self.count.is_none();
        *self.count.get_or_insert(0) += by;
        begins
    }

    /// Whether it was said and is not over.
    pub(crate) const fn lasts(&self) -> bool {
        self.count.is_some()
    }

    /// The trouble is over; what it cost, if there was any.
    pub(crate) fn over(&mut self) -> Option<u64> {
        self.count.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn said_once_and_counted() {
        let mut trouble = Repeated::default();
        assert_eq!(trouble.over(), None);
        assert!(trouble.again(2));
        assert!(!trouble.again(3) && trouble.lasts());
        assert_eq!(trouble.over(), Some(5));
        assert!(trouble.again(1));
    }
}
