// SPDX-License-Identifier: Apache-2.0

extension CommandContext {
    /// Sends requests that make up one change, in order.
    /// - Throws: the first one's refusal; that of a later one as ``ExitStatus/partial``, because those before it are done.
    func send(inOrder requests: [APIRequest]) async throws {
        for (index, request) in requests.enumerated() {
            do {
                try await person(request)
            } catch let failure as CommandFailure where index > 0 {
                throw CommandFailure(
                    .partial, "\(index) of \(requests.count) changes were made, then \(failure.message)",
                    advice: failure.advice, reason: failure.reason, httpStatus: failure.httpStatus)
            }
        }
    }

    /// Shows what a request answers.
    func show(answerTo request: APIRequest) async throws { show(try await person(request).json()) }
}
