// Numbers as people read them. What is undefined is "–", never a number that stands for nothing.

export const NONE = "–";

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** A share from 0 to 1 with three digits, as evaluations have them: 0.912. */
export const score = (value, digits = 3) => (isNumber(value) ? value.toFixed(digits) : NONE);

/** A difference, with its sign: +0.031, −0.120, ±0. */
export function signed(value, digits = 3) {
  if (!isNumber(value)) return NONE;
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return `±${text}`;
  return `${value > 0 ? "+" : "−"}${text}`;
}

export const percent = (value, digits = 0) => (isNumber(value) ? `${(100 * value).toFixed(digits)} %` : NONE);

const SHORT = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

/** At most three digits: 12.3, 0.05. */
export const short = (value) => (isNumber(value) ? SHORT.format(value) : NONE);

/** Large counts for little room: 1.2K. */
export const compact = (value) => (isNumber(value) ? COMPACT.format(value) : NONE);

const UNITS = ["bytes", "KB", "MB", "GB", "TB"];

export function bytes(number) {
  let power = 0;
  let value = number;
  while (value >= 1000 && power < UNITS.length - 1) {
    value /= 1000;
    power += 1;
  }
  return `${power ? value.toFixed(value < 10 ? 1 : 0) : value} ${UNITS[power]}`;
}

/** "0.4 s", "12 s", "3 min 5 s", "2 h 10 min". */
export function duration(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
