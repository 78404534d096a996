// SPDX-License-Identifier: Apache-2.0

/// A client's will until it is published or taken back, apart from its session: few have one, and it is large.
final class HeldWill {
    let will: Will
    /// When it is published, while its delay runs: nanoseconds since 1970.
    var publishAt: Int64?

    init(_ will: Will) { self.will = will }
}
