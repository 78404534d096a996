// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit

extension LatestQuery {
    /// - Throws: `malformed`, naming the parameter.
    init(channel: ChannelID, _ query: QueryParameters, _ unit: TimeUnit) throws(ServiceError) {
        self.init(filter: try MessageFilter.ofRecords(channel: channel, query, unit))
        countsTotal = try query.boolean("total") ?? false
        let page = try PageRequest(query, maximumLimit: MessageQuery.maximumLimit)
        limit = page.limit
        switch page.start {
        case .offset(let offset): start = .offset(offset)
        case .after(let name): start = .after(name)
        }
    }
}
