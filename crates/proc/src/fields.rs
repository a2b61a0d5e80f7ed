//! Lines of numbers with spaces between them.

use fgm_kernfile::leading_u64;

/// The first `COUNT` numbers and what follows them. Before the first there need be no space.
pub(crate) fn numbers<const COUNT: usize>(mut rest: &[u8]) -> Option<([u64; COUNT], &[u8])> {
    let mut numbers = [0; COUNT];
    for (index, number) in numbers.iter_mut().enumerate() {
        let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
        if index > 0 && spaces == 0 {
            return None;
        }
        let digits = &rest[spaces..];
        let (value, length) = leading_u64(digits)?;
        *number = value;
        rest = &digits[length..];
    }
    Some((numbers, rest))
}
