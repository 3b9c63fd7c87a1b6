// Package dataimport brings data sets that other programs collected into a study: it reads a CSV file by a
// mapping and makes orders of it, which an events.Executor carries out as one, all or nothing. It also reads instruments that
// a lab brings in, or the wording for a key that ships.
//
// Reading order: [Mapping] and [ParseMapping]; [Orders] and [Extend], which make a [Batch]; [Batch.Report] for a
// dry run; [Batch.Explain] for what the study refused; [ParseInstrument]. [Acitelli] is a real data set to try it on.
//
// The package reads no files and writes nothing. It does not compute scores, correct what was imported before, or guess: what
// a file does not say, the mapping must.
//
// # The mapping
//
// A mapping is YAML. Text stays as it is written, so that a missing code -9.0 differs from -9. These keys describe the study;
// for a study that exists all but the first may be left out, and what stands here must agree with it or add to it:
//
//	study           code of the study
//	title, zone     its title, and the time zone of its site: an IANA name
//	roles           {A: wife, B: husband}: the label of each role
//	exchangeable    true instead of roles, where partners cannot be told apart by a role
//	timeUnitMonths  unit of the analysis variable time, in months; 1 if absent
//	waves           a list of {month, label, opensDaysEarly, closesDaysLate, graceDays}; month counts from enrolment,
//	                the rest may be absent
//	constructs      {code: {title, min, max, higherIs}}: scores computed elsewhere; all may be absent
//	consent         version of the text that participants agreed to; "recorded outside asem" if absent. The word
//	                existing gives no consent: participants gave theirs in asem
//
// These describe the file:
//
//	delimiter  "," or ";" or "|" or tab; a comma if absent
//	decimal    "." or ","; a dot if absent
//	missing    what marks a missing value; [NA] if absent. An empty cell is always missing
//	ignore     columns left out on purpose. Others that are not used are told in the report
//	couple     column with the couple's code
//	enrolled   {date: 2015-01-01}, one day for all, or {column: started, format: "02.01.2006"}
//
// A file is wide when a row is a couple, long when a row is one partner at one wave; what lies between works as well. The rows
// name the role, the wave, both or neither, and the columns the rest:
//
//	role      {column: role}, where cells hold labels; {column: sex, values: {f: A, m: B}}; or, for exchangeable partners,
//	          {person: id}: the two persons of a couple become A and B in the natural order of their labels
//	wave      {column: wave}, where cells hold numbers from 1; {column: time, values: {"0": 1, "6": 2}}; or
//	          {date: day, withinDays: 60, format: ...}: the wave whose nominal day is nearest, no farther than that
//	measured  {column: day, format: ...}: the day of measurement beside a column of waves. Without one, an answer is dated to the
//	          nominal day of its wave. The hour is noon UTC, as no file knows it
//	measures  a list of what the columns hold:
//	            column      the name of a column, or
//	            columns     names with {wave}, {role} or {item} in them, which run over the waves' numbers, the roles'
//	                        labels and the instrument's items: "h{wave}", "sat_{item}_{role}"
//	            role, wave  A or B, or a label; the wave's number: where neither the name nor the row says so
//	            waves       over which waves {wave} runs, as [1, 3]; all if absent
//	            construct   for scores: one of constructs
//	            instrument  for answers to items: code@version, one that ships or that the study has
//	            item        the item's id, or, with {item}:
//	            items       what stands for {item} -> item id; the ids themselves if absent
//
// Formats of dates are written as 2 January 2006 would stand in the file; 2006-01-02 if absent. Where a study has one wave, it need
// not be named. A participant's code is the couple's with the role's label or the person's: 17-wife. Both partners
// are enrolled, also where the file has rows of one.
//
// A file of diaries has one row for each day of a person (or of a couple), and answers to instruments only:
//
//	diary  {code, startMonth, startDay, days, opensHour, closesHour, graceHours} is the burst, unless the study has it; and the
//	       day is {column: day, first: 0}, a number that is first on the first day (1 if absent), or {date: day, format: ...},
//	       which alone will do where the study counts the diary from a session or from joining
package dataimport
