// SPDX-License-Identifier: Apache-2.0

/// What a simulation did, for people and for scripts.
struct SimulationReport: Sendable {
    var tally: SimulationTally
    var seconds: Double
    var devices: Int
    var channel: String
    /// nil where nothing was verified.
    var differences: [NamedTotals.Difference]?
    /// Whether the things and the channel are still there.
    var isKept: Bool

    var status: ExitStatus {
        if differences?.isEmpty == false || tally.accepted == 0 { return .refused }
        return tally.refusedCount + tally.unknown > 0 ? .partial : .done
    }

    private var rate: Double { seconds > 0 ? Double(tally.accepted) / seconds : 0 }
    private static let shares = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)]

    var json: JSONValue {
        let latency: [(String, JSONValue?)] =
            Self.shares.map { name, share in (name, tally.latency.percentile(share).map(Self.milliseconds)) }
            + [("max", tally.latency.count > 0 ? Self.milliseconds(tally.latency.maximum) : nil)]
        let verified: JSONValue? = differences.map { differences in
            .document([
                ("names", .integer(tally.totals.totals.count)), ("readings", .integer(tally.totals.count)),
                ("agrees", .bool(differences.isEmpty)),
                (
                    "differences",
                    .array(
                        differences.map {
                            .document([
                                ("name", .string($0.name)), ("sent_count", .integer($0.sent.count)),
                                ("sent_sum", .double($0.sent.value)), ("stored_count", .integer($0.storedCount)),
                                ("stored_sum", .double($0.storedSum)),
                            ])
                        })
                ),
            ])
        }
        return .document([
            ("channel", .string(channel)), ("devices", .integer(devices)), ("seconds", .double(seconds)),
            ("accepted", .integer(tally.accepted)), ("readings", .integer(tally.readings)),
            ("replayed", .integer(tally.replayed)), ("retries", .integer(tally.retries)),
            (
                "refused",
                .document(tally.refused.sorted { $0.key < $1.key }.map { ($0.key, .integer($0.value)) })
            ),
            ("unknown", .integer(tally.unknown)), ("messages_per_second", .double((rate * 10).rounded() / 10)),
            ("latency_ms", .document(latency)),
            ("maximum_lag_ms", Self.milliseconds(Int(tally.maximumLagMicroseconds))),
            ("verified", verified), ("kept", .bool(isKept)),
        ])
    }

    private static func milliseconds(_ microseconds: Int) -> JSONValue { .double(Double(microseconds) / 1_000) }

    func show(_ console: Console) {
        if console.isJSON { return console.print(json) }
        var fields: [(String, String?)] = [
            (
                "accepted",
                "\(NumberText.grouped(tally.accepted)) messages, \(NumberText.grouped(tally.readings)) readings, "
                    + "in \(NumberText.span(microseconds: seconds * 1e6)) (\(NumberText.short(rate.rounded()))/s)"
            )
        ]
        for (reason, count) in tally.refused.sorted(by: { $0.key < $1.key }) {
            fields.append(("refused", "\(NumberText.grouped(count))  \(reason)"))
        }
        if tally.unknown > 0 { fields.append(("unknown", "\(tally.unknown), cut off on the way")) }
        if tally.retries > 0 {
            fields.append(("sent again", "\(tally.retries), of which \(tally.replayed) had arrived before"))
        }
        if tally.latency.count > 0 {
            let spans = Self.shares.map { name, share in
                "\(name) \(NumberText.span(microseconds: Double(tally.latency.percentile(share) ?? 0)))"
            }
            let maximum = NumberText.span(microseconds: Double(tally.latency.maximum))
            fields.append(("latency", (spans + ["max \(maximum)"]).joined(separator: "   ")))
        }
        if tally.maximumLagMicroseconds > 100_000 {
            fields.append(("late", "by up to \(NumberText.span(microseconds: tally.maximumLagMicroseconds))"))
        }
        if let differences {
            let names = tally.totals.totals.count
            fields.append(
                (
                    "verified",
                    differences.isEmpty
                        ? "\(NumberText.grouped(tally.totals.count)) readings of \(names) names: counts and sums agree"
                        : "\(differences.count) of \(names) names differ"
                ))
        }
        if isKept { fields.append(("channel", channel)) }
        console.printFields(fields)
        if let differences, !differences.isEmpty { show(differences, console) }
    }

    private func show(_ differences: [NamedTotals.Difference], _ console: Console) {
        var table = Table([
            Table.Column("NAME", isFlexible: true), Table.Column("SENT", .right), Table.Column("STORED", .right),
            Table.Column("SUM SENT", .right), Table.Column("SUM STORED", .right),
        ])
        for difference in differences {
            table.append([
                Table.Cell(difference.name), Table.Cell(String(difference.sent.count)),
                Table.Cell(String(difference.storedCount), .bad), Table.Cell(NumberText.exact(difference.sent.value)),
                Table.Cell(NumberText.exact(difference.storedSum), .bad),
            ])
        }
        console.print(table)
    }
}
