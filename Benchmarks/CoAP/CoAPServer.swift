// SPDX-License-Identifier: Apache-2.0
import TestKit

/// A server as the load generator sees it: where it listens on loopback, what is asked of it, and whose work counts.
struct CoAPServer: Sendable {
    struct Member: Sendable {
        let name: String
        let process: ServiceProcess
    }

    let name: String
    let port: Int
    /// Of DTLS.
    let securePort: Int
    /// Each client's own requests: they take them in turn.
    let publications: [CoAPDatagram]
    /// The same over DTLS, with the pre-shared key by which each client says who it is.
    let securePublications: [(request: CoAPDatagram, key: SecureCoAPSocket.Key)]
    /// What observers ask for: the resource that the publications change.
    let observations: [CoAPDatagram]
    /// The server's own process first, then those that it needs for every message.
    let members: [Member]

    /// What a client sends, and its socket.
    func publication(
        _ number: Int, isSecure: Bool
    ) -> (request: CoAPDatagram, open: () throws -> CoAPSocket) {
        guard isSecure else {
            return (publications[number % publications.count], { [port] in try CoAPSocket(port: port) })
        }
        let (request, key) = securePublications[number % securePublications.count]
        return (
            request,
            { [securePort] in
                for _ in 0..<3 {
                    let socket = try SecureCoAPSocket(port: securePort, key: key)
                    // From a port on which the server knows somebody else there is no answer.
                    if (try? socket.connect()) != nil { return socket }
                }
                throw BenchmarkFailure(description: "no handshake succeeds")
            }
        )
    }

    /// Of each member so far.
    func processorSeconds() throws -> [Double] {
        try members.map { try ProcessUsage(of: $0.process.processIdentifier).cpuSeconds }
    }
}

/// A server that runs.
protocol RunningCoAPServer: AnyObject {
    var server: CoAPServer { get }
    /// Begins anew before each measurement, where it would remember the peers of those before and become slower by them.
    func startAgain() async throws
    func stop() async throws
}

extension RunningCoAPServer {
    func startAgain() async throws {}
}

extension CoAPServer {
    /// What every request carries: one SenML record of 64 bytes, so that a server that looks into it finds nothing to refuse.
    static let payload = Array(#"[{"n":"bench:temperature","u":"Cel","t":1700000000.25,"v":71.5}]"#.utf8)
    /// `application/senml+json` (RFC 8428 section 12.3).
    static let contentFormat: UInt32 = 110

    /// Waits until a request is answered with success.
    func waitUntilServing() async throws {
        guard let member = members.first, let publication = publications.first else { return }
        let port = port
        try await member.process.wait("\(name) answers") {
            let answer = try? await udp(port: port) { socket in
                try socket.exchange(publication, within: .seconds(1))
            }
            return answer?.code.codeClass == 2
        }
    }
}
