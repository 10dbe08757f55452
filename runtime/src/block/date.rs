//! Dates as `ctime` writes them.

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `Wed Jun 30 21:49:08 1993`: 24 bytes for the years 0 to 9999, in UTC.
pub fn ctime(seconds: i64) -> String {
    let days = seconds.div_euclid(86_400);
    let of_day = seconds.rem_euclid(86_400);
    let (year, month, day) = civil_from_days(days);
    // The text always has 24 characters.
    if year < 1000 {
        return "a long, long time ago...".to_string();
    }
    if year > 9999 {
        return "far far in the future...".to_string();
    }
    format!(
        "{} {} {day:2} {:02}:{:02}:{:02} {year}",
        // The first day of 1970 was a Thursday.
        DAYS[(days + 4).rem_euclid(7) as usize],
        MONTHS[month as usize - 1],
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60,
    )
}

/// The local time zone now: seconds west of Greenwich, and its name.
pub fn zone() -> (i64, String) {
    // SAFETY: takes nothing that could be wrong.
    let time: libc::time_t = unsafe { libc::time(std::ptr::null_mut()) };
    // SAFETY: as in `local_ctime`.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both are valid for the call; a failure is a null result.
    if unsafe { libc::localtime_r(&time, &mut parts) }.is_null() {
        return (0, "UTC".to_string());
    }
    // SAFETY: as in `local_ctime`.
    let name = unsafe { std::ffi::CStr::from_ptr(parts.tm_zone) };
    (-parts.tm_gmtoff, name.to_string_lossy().into_owned())
}

/// As [`ctime`], in the local time zone, with its name behind.
pub fn local_ctime(seconds: i64) -> String {
    let time: libc::time_t = seconds;
    // SAFETY: all zeros is a valid `tm`; its pointer member is not read before `localtime_r` sets it.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both are valid for the call; a failure is a null result.
    if unsafe { libc::localtime_r(&time, &mut parts) }.is_null() {
        return format!("{} UTC", ctime(seconds));
    }
    // SAFETY: `localtime_r` points it to the name of a zone, which stays as long as the process.
    let zone = unsafe { std::ffi::CStr::from_ptr(parts.tm_zone) };
    format!("{} {}", ctime(seconds.saturating_add(parts.tm_gmtoff)), zone.to_string_lossy())
}

/// Year, month (1 to 12) and day of a day counted from the start of 1970, in the Gregorian calendar.
///
/// The calendar repeats every 400 years of 146,097 days. Counting from a first of March puts the leap
/// day last in the year.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468); // From the first of March of the year 0.
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_dates_like_the_c_library() {
        for (seconds, expected) in [
            (0, "Thu Jan  1 00:00:00 1970"),
            (741_476_948, "Wed Jun 30 21:49:08 1993"),
            (951_827_696, "Tue Feb 29 12:34:56 2000"),
            (-1, "Wed Dec 31 23:59:59 1969"),
            (4_102_444_799, "Thu Dec 31 23:59:59 2099"),
        ] {
            assert_eq!(ctime(seconds), expected);
        }
    }
}
