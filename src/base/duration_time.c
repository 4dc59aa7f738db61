/*
 * duration_time.c - times as a user writes them: RFC 3339, nothing else
 */
#include <ctype.h>
#include <stdbool.h>

#include "base/duration.h"
#include "base/error.h"

typedef struct moment
{
	int year, month, day;
	int hour, minute, second;
	int micros;
	int offset_minutes;
} moment;

/* Exactly n digits. */
static bool
read_digits(const char **at, int n, int *ret_value)
{
	int value = 0;

	for (int i = 0; i < n; i++)
	{
		char c = (*at)[i];

		if (!isdigit((unsigned char) c))
			return false;
		value = value * 10 + (c - '0');
	}
	*at += n;
	*ret_value = value;
	return true;
}

static bool
read_char(const char **at, char wanted)
{
	if (toupper((unsigned char) **at) != wanted)
		return false;
	(*at)++;
	return true;
}

static bool
read_date(const char **at, moment *m)
{
	return read_digits(at, 4, &m->year) && read_char(at, '-') &&
	       read_digits(at, 2, &m->month) && read_char(at, '-') &&
	       read_digits(at, 2, &m->day);
}

static bool
read_clock(const char **at, moment *m)
{
	return read_digits(at, 2, &m->hour) && read_char(at, ':') &&
	       read_digits(at, 2, &m->minute) && read_char(at, ':') &&
	       read_digits(at, 2, &m->second);
}

/* ".5" is 500000; digits behind the sixth are dropped. */
static bool
read_fraction(const char **at, moment *m)
{
	int scale = 100000;

	if (!read_char(at, '.'))
		return true;
	if (!isdigit((unsigned char) **at))
		return false;
	for (; isdigit((unsigned char) **at); (*at)++)
	{
		m->micros += (**at - '0') * scale;
		scale /= 10;
	}
	return true;
}

static bool
read_offset(const char **at, moment *m)
{
	int hours;
	int minutes;
	int sign;

	if (read_char(at, 'Z'))
		return true;
	if (read_char(at, '+'))
		sign = 1;
	else if (read_char(at, '-'))
		sign = -1;
	else
		return false;
	if (!read_digits(at, 2, &hours) || !read_char(at, ':') ||
	    !read_digits(at, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	m->offset_minutes = sign * (hours * 60 + minutes);
	return true;
}

static bool
is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Second 60 is a leap second; it counts as the next minute's first. */
static bool
in_range(const moment *m)
{
	static const int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int days;

	if (m->year < 1 || m->month < 1 || m->month > 12)
		return false;
	days = DAYS[m->month - 1] + (m->month == 2 && is_leap(m->year) ? 1 : 0);
	return m->day >= 1 && m->day <= days && m->hour <= 23 && m->minute <= 59 &&
	       m->second <= 60;
}

/* Days from 1970-01-01 in the Gregorian calendar; the year begins in March here. */
static int64_t
days_of(const moment *m)
{
	int64_t year = m->month > 2 ? m->year : m->year - 1;
	int64_t month = (m->month + 9) % 12;
	int64_t leaps = year / 4 - year / 100 + year / 400;

	return year * 365 + leaps + (month * 153 + 2) / 5 + (m->day - 1) - 719468;
}

static int64_t
micros_of(const moment *m)
{
	int64_t seconds = days_of(m) * 86400 + m->hour * 3600 + m->minute * 60 + m->second -
	                  (int64_t) m->offset_minutes * 60;

	return seconds * 1000000 + m->micros;
}

pawl_status
duration_parse_time(const char *text, int64_t *ret_us, pawl_error *error)
{
	const char *at = text;
	moment m = {0};

	if (!read_date(&at, &m) || !(read_char(&at, 'T') || read_char(&at, ' ')) ||
	    !read_clock(&at, &m) || !read_fraction(&at, &m) || !read_offset(&at, &m) ||
	    *at != '\0' || !in_range(&m))
	{
		error_set(error, PAWL_ERR_ARGUMENT, "invalid time \"%s\"", text);
		error_hint(error, "Write it as in RFC 3339: \"2026-11-21T08:00:00Z\".");
		return PAWL_ERR_ARGUMENT;
	}
	*ret_us = micros_of(&m);
	return PAWL_OK;
}
