// SPDX-License-Identifier: Apache-2.0

/// A `read` at the end of a stream, to be answered when there is more or its time is up.
struct WaitingRead {
    /// The connection's identity.
    let connection: UInt64
    let token: UInt32
    let from: UInt64
    let maximumBytes: Int
    /// What came from there is left out.
    let withoutOrigin: UInt64?
    /// Monotonic nanoseconds.
    let deadline: UInt64
}
