// SPDX-License-Identifier: Apache-2.0
import TestKit

extension AdapterStack {
    func webSocket(
        _ path: String? = nil, key: String? = nil, subprotocol: String? = nil, fields: [String] = [],
        receiveBufferBytes: Int32? = nil
    ) async throws -> WebSocketClient {
        let port = port
        let path = path ?? self.path
        let fields = ["Authorization: Thing \(key ?? things.publisher.key)"] + fields
        return try await wire(port) { port in
            try WebSocketClient(
                port: port, path: path, fields: fields, subprotocol: subprotocol,
                receiveBufferBytes: receiveBufferBytes)
        }
    }

    func events(
        _ path: String? = nil, key: String? = nil, fields: [String] = [], receiveBufferBytes: Int32? = nil
    ) async throws -> EventClient {
        let port = port
        let path = path ?? self.path
        let fields = ["Authorization: Thing \(key ?? things.listener.key)"] + fields
        return try await wire(port) { port in
            try EventClient(port: port, path: path, fields: fields, receiveBufferBytes: receiveBufferBytes)
        }
    }

    /// Publishes as ``ThingsByContract/publisher`` and gives back the sequence number.
    @discardableResult
    func publish(
        _ subtopic: String = "", contentType: String = "text/plain", body: String
    ) async throws -> UInt64 {
        let path = subtopic.isEmpty ? self.path : self.path + "/" + subtopic
        let response = try await answer(to: request(path: path, contentType: contentType, body: body))
        guard response.status == 202, let sequence = UInt64(response.fields["martlet-sequence"] ?? "") else {
            throw RawConnection.Failure.endedBefore("202", received: "\(response.status) \(response.body)")
        }
        return sequence
    }
}
