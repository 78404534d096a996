// SPDX-License-Identifier: Apache-2.0

/// The intervals that a span of time is cut into: aligned to 1970, so that the same moment is always in the same one.
struct Buckets: Sendable, Equatable {
    /// Nanoseconds, positive.
    let width: Int64
    /// When the first one begins.
    let first: Int64
    let count: Int64

    /// - Parameters:
    ///   - from: where the span begins.
    ///   - to: where it ends, itself left out.
    /// - Returns: nil where the span is empty or the numbers do not fit 64 bits.
    init?(width: Int64, from: Int64, to: Int64) {
        guard width > 0, from < to else { return nil }
        let rest = from % width
        let (first, overflow) = from.subtractingReportingOverflow(rest < 0 ? rest + width : rest)
        let (span, overflowOfSpan) = to.subtractingReportingOverflow(first)
        guard !overflow, !overflowOfSpan else { return nil }
        self.init(width: width, first: first, count: (span - 1) / width + 1)
    }

    private init(width: Int64, first: Int64, count: Int64) {
        self.width = width
        self.first = first
        self.count = count
    }

    /// When the last one begins.
    var last: Int64 { first + (count - 1) * width }

    /// Whether one of them begins then.
    func contains(_ start: Int64) -> Bool {
        start >= first && start <= last && (start - first) % width == 0
    }

    /// Those from the one that begins at `start` on, at most so many of them.
    func from(_ start: Int64, maximum: Int64 = .max) -> Buckets {
        Buckets(width: width, first: start, count: min((last - start) / width + 1, max(maximum, 1)))
    }

    /// Those up to the one that begins at `start`, at most so many of them.
    func through(_ start: Int64, maximum: Int64 = .max) -> Buckets {
        let count = min((start - first) / width + 1, max(maximum, 1))
        return Buckets(width: width, first: start - (count - 1) * width, count: count)
    }
}
