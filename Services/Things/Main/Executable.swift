// SPDX-License-Identifier: Apache-2.0
import ServiceKit
import ThingsService

@main struct Executable { static func main() async { await ServiceRunner.main(ThingsService.description) } }
