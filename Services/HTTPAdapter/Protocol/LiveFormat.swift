// SPDX-License-Identifier: Apache-2.0

/// The form in which a live connection gets its messages.
enum LiveFormat: Equatable {
    /// WebSocket as Mainflux has it: the payload alone.
    case bare
    /// WebSocket: a JSON document for each message, ``LiveDocument``.
    case envelope
    /// Server-sent events whose data are the same documents.
    case events
}
