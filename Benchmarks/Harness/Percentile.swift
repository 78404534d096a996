// SPDX-License-Identifier: Apache-2.0

extension [Double] {
    /// The value below which a share (0…1) of the values lies: nearest rank; NaN without values.
    func percentile(_ share: Double) -> Double {
        guard !isEmpty else { return .nan }
        let rank = Int((share * Double(count)).rounded(.up))
        return sorted()[Swift.min(Swift.max(rank, 1), count) - 1]
    }
}
