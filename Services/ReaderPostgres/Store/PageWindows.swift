// SPDX-License-Identifier: Apache-2.0
import Core

/// A further bound on time, in nanoseconds since 1970.
enum TimeBound: Sendable, Equatable {
    case notBefore(Int64)
    case before(Int64)
}

/// Where to look for a page first.
///
/// A list by time that nothing bounds concerns every partition that there is: a statement on a year of them takes the server 30 ms and 1,200 locks
/// only to begin, although the newest page nearly always lies in the last day. So a page is looked for in a day, then in eight days, then in
/// sixty-four, and only then everywhere.
struct PageWindows {
    private static let day: Int64 = 86_400 * 1_000_000_000
    private static let days: [Int64] = [1, 8, 64]

    /// The bounds to try one after the other; the last one is none: the query as it is.
    static func bounds(of query: MessageQuery, now: Int64) -> [TimeBound?] {
        guard query.order.isByTime else { return [nil] }
        switch query.direction {
        case .descending:
            var latest = query.filter.to ?? now
            if case .after(let position) = query.start { latest = min(latest, position.time) }
            // Devices with fast clocks stand before now: their messages are in every window.
            latest = min(latest, now)
            return days.compactMap { days in
                let (bound, overflow) = latest.subtractingReportingOverflow(days * day)
                return overflow || bound <= query.filter.from ?? .min ? nil : .notBefore(bound)
            } + [nil]
        case .ascending:
            // Where the oldest message is, nobody knows.
            guard case .after(let position) = query.start else {
                return query.filter.from.map { ahead(of: $0, query) } ?? [nil]
            }
            return ahead(of: max(position.time, query.filter.from ?? .min), query)
        }
    }

    private static func ahead(of earliest: Int64, _ query: MessageQuery) -> [TimeBound?] {
        days.compactMap { days in
            let (bound, overflow) = earliest.addingReportingOverflow(days * day)
            return overflow || bound >= query.filter.to ?? .max ? nil : .before(bound)
        } + [nil]
    }
}
