// SPDX-License-Identifier: Apache-2.0

/// How the messages of a fleet get to its channel.
enum Sender: Sendable {
    /// Through the front door.
    case http(APIClient)
    /// Each device on a connection of its own, in the fleet's order.
    case mqtt([MQTTDevice])

    /// - Throws: ``CommandFailure`` with what the last attempt met, `CancellationError`.
    func send(
        _ message: SimulatedMessage, of device: Fleet.Device, to channel: String, _ subtopic: String?, retries: Int
    ) async throws -> Publication.Receipt {
        let contentType = "application/senml+json"
        switch self {
        case .http(let client):
            let publication = Publication(
                channel: channel, subtopic: subtopic, contentType: contentType, body: message.body)
            return try await publication.send(key: device.key, client, retries: retries)
        case .mqtt(let devices):
            let publication = MQTTPublication(
                channel: channel, subtopic: subtopic, contentType: contentType, body: message.body)
            return try await devices[message.device].publish(publication, retries: retries)
        }
    }

    /// Ends what the devices have open.
    func close() async {
        guard case .mqtt(let devices) = self else { return }
        await withDiscardingTaskGroup { group in
            for device in devices { group.addTask { await device.leave() } }
        }
    }
}

extension Fleet {
    /// - Parameter server: nil: over HTTP.
    func sender(_ client: APIClient, over server: MQTTAddress?) -> Sender {
        guard let server else { return .http(client) }
        return .mqtt(devices.map { MQTTDevice(server, thing: $0.thing, key: $0.key) })
    }
}
