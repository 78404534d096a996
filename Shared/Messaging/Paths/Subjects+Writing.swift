// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

extension Subjects {
    /// Writes `channels.<channel>[.<subtopic>]` without making a String of it.
    public static func writeMessages(channel: ChannelID, subtopic: String, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("channels.")
        channel.withText { _ = buffer.writeBytes($0) }
        if !subtopic.isEmpty {
            buffer.writeInteger(UInt8(ascii: "."))
            buffer.writeString(subtopic)
        }
    }
}
