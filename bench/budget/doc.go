// Package budget holds what Highwater may cost, as ratios to Apache Kafka measured in the same run, and says of a run which budgets
// it meets.
//
// It owns the list of budgets and their verdicts: met, missed or not measured. A budget is never left out of the list because its
// benchmark is missing. The verdict goes by the ratio of the medians; the interval stands beside it and tells how sure that is.
// It never measures.
package budget
