internal import TelpherJSON
package import TelpherKeys

/// A job with the signature of its submitter, as a broker stores it.
///
///     {"job":{...},"signature":"base64 of an SSHSIG blob"}
///
/// The signature covers `FleetJob.signedBytes` for the purpose `namespace`. A payload counts only if it
/// is exactly the bytes that `payload` makes, so there is one payload for each job and signature.
package struct SignedJob: Sendable, Equatable {
  /// What the signatures are for. A signature for another purpose is none for a job.
  package static let namespace = "telpher-job-v1"

  /// The job.
  package let job: FleetJob
  /// The signature; `isGenuine` checks it.
  package let signature: SSHSignature

  private struct Form: Codable {
    var job: FleetJob.Form
    var signature: String
  }

  /// A job with its signature.
  package init(_ job: FleetJob, signature: SSHSignature) {
    self.job = job
    self.signature = signature
  }

  /// Reads a payload. It does not check the signature.
  ///
  /// - Throws: `FleetError` (`invalid`) if it is none.
  package init(payload: [UInt8]) throws(FleetError) {
    guard payload.count <= FleetLimits.maxJobLength else {
      throw FleetError(.invalid, "it is longer than \(FleetLimits.maxJobLength) bytes")
    }
    let form = try FleetCoding.decode(Form.self, payload)
    job = try FleetJob(form.job)
    guard let blob = Base64.decode(form.signature) else {
      throw FleetError(.invalid, "its signature is not base64")
    }
    do throws(KeyError) { signature = try SSHSignature(blob: blob) } catch {
      throw FleetError(.invalid, "\(error)")
    }
    guard self.payload == payload else {
      throw FleetError(.invalid, "it is not in its only form")
    }
  }

  /// The bytes for the broker.
  package var payload: [UInt8] {
    FleetCoding.encode(Form(job: job.form, signature: Base64.encode(signature.blob)))
  }

  /// The fingerprint of the key that claims to have signed it.
  package var signer: String { signature.key.fingerprint }
}
