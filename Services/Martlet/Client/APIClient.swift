// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Requests to one server, over connections that are kept.
final class APIClient: Sendable {
    /// Answers are pages of at most a thousand entries; the largest are messages of a megabyte each, which nobody lists in such pages.
    static let maximumAnswerBytes = 256 << 20

    let address: ServerAddress
    private let http: HTTPClient

    /// - Parameters:
    ///   - connections: how many at most.
    ///   - authorities: a PEM file of the certificates that a server's must come from; nil: those of the system.
    /// - Throws: ``CommandFailure`` (`usage`) where that holds none.
    init(address: ServerAddress, connections: Int = 8, authorities: String? = nil) throws(CommandFailure) {
        self.address = address
        var configuration = HTTPClient.Configuration()
        // A credential must not follow a redirect to somewhere else.
        configuration.redirectConfiguration = .disallow
        configuration.httpVersion = .http1Only
        if let authorities {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.trustRoots = .certificates(try Self.certificates(authorities))
            configuration.tlsConfiguration = tls
        }
        configuration.timeout.connect = .seconds(5)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = max(1, connections)
        // Whoever types a command wants to know at once that nobody listens; where trying again is meant, it is done openly.
        configuration.connectionPool.retryConnectionEstablishment = false
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    private static func certificates(_ file: String) throws(CommandFailure) -> [NIOSSLCertificate] {
        guard let certificates = try? NIOSSLCertificate.fromPEMFile(file), !certificates.isEmpty else {
            throw .usage(
                "'\(file)' holds no certificates in PEM", advice: "name another with --ca-file or MARTLET_CA_FILE")
        }
        return certificates
    }

    /// An `HTTPClient` that is dropped without its end traps in debug builds: whoever forgets ``shutdown()`` on some way out must not meet that.
    deinit { http.shutdown { _ in } }

    /// Ends all connections, and waits for that.
    func shutdown() async { try? await http.shutdown() }

    /// - Returns: whatever the server answers, refusals too.
    /// - Throws: ``CommandFailure`` (`unreachable`) where it does not answer, `CancellationError`.
    func send(_ request: APIRequest) async throws -> APIResponse {
        do {
            let response = try await http.execute(
                prepared(request), timeout: .seconds(request.timeoutSeconds))
            return try await whole(response, request)
        } catch {
            throw try failure(error)
        }
    }

    /// Begins an answer that has no end of its own, and hands its bytes on as they come.
    ///
    /// - Parameters:
    ///   - contentType: what it must be; any other answer is taken as a whole.
    ///   - take: returns false when it wants no more.
    /// - Returns: the answer, where it is another; nil when `take` wanted no more.
    /// - Throws: ``CommandFailure`` (`unreachable`) when the server ends it, what `take` throws, `CancellationError`.
    func stream(
        _ request: APIRequest, contentType: String, _ take: ([UInt8]) async throws -> Bool
    ) async throws -> APIResponse? {
        var parts: HTTPClientResponse.Body.AsyncIterator
        do {
            let response = try await http.execute(prepared(request), deadline: .distantFuture)
            guard response.status == .ok,
                response.headers.first(name: "Content-Type")?.hasPrefix(contentType) == true
            else { return try await whole(response, request) }
            parts = response.body.makeAsyncIterator()
        } catch {
            throw try failure(error)
        }
        while true {
            let part: ByteBuffer?
            do { part = try await parts.next() } catch { throw try failure(error) }
            guard let part else {
                throw CommandFailure(.unreachable, "the server ended the stream", reason: "stream-ended")
            }
            guard try await take(Array(part.readableBytesView)) else { return nil }
        }
    }

    private func whole(_ response: HTTPClientResponse, _ request: APIRequest) async throws -> APIResponse {
        let body = try await response.body.collect(upTo: Self.maximumAnswerBytes)
        let headers = Dictionary(
            response.headers.map { ($0.name.lowercased(), $0.value) }, uniquingKeysWith: { first, _ in first })
        return APIResponse(
            status: Int(response.status.code), headers: headers, body: Array(body.readableBytesView),
            path: request.path)
    }

    private func prepared(_ request: APIRequest) -> HTTPClientRequest {
        var prepared = HTTPClientRequest(url: address.description + request.target)
        prepared.method = HTTPMethod(rawValue: request.method.rawValue)
        prepared.headers.add(name: "User-Agent", value: "martlet/\(Program.version)")
        for (name, value) in request.headers { prepared.headers.add(name: name, value: value) }
        if let body = request.body { prepared.body = .bytes(ByteBuffer(bytes: body)) }
        return prepared
    }

    /// - Throws: `CancellationError`, where that is what it was.
    private func failure(_ error: any Error) throws -> CommandFailure {
        if error is CancellationError || Task.isCancelled || (error as? HTTPClientError) == .cancelled {
            throw CancellationError()
        }
        return CommandFailure(
            .unreachable, "cannot reach \(address): \(Self.words(error))",
            advice: "is it running, and is the address right? (--url, MARTLET_URL, or the profile's)",
            reason: "unreachable")
    }

    private static func words(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            if let cause = error.connectionErrors.first?.error { return words(cause) }
            return error.dnsAError != nil || error.dnsAAAAError != nil ? "no such host" : "no connection"
        case let error as IOError: return PrivateFile.systemError(error.errnoCode).lowercased()
        case let error as HTTPClientError:
            switch error {
            case .connectTimeout: return "nobody answers there"
            case .deadlineExceeded, .readTimeout: return "the answer did not come in time"
            case .remoteConnectionClosed: return "the connection broke before the answer"
            default: return error.description
            }
        default: return "\(error)"
        }
    }
}
