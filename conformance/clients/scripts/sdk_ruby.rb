# AWS SDK for Ruby as Debian has it: of 2019, from before asymmetric keys, and older than AWS_ENDPOINT_URL, so that each
# client is given the address.
require "aws-sdk-kms"

ENDPOINT = { endpoint: ENV.fetch("AWS_ENDPOINT_URL") }
KMS = Aws::KMS::Client.new(**ENDPOINT)
TEXT = "a line that must come back".b
CONTEXT = { "purpose" => "conformance" }

def test(name)
  yield
  puts "ok - #{name}"
rescue StandardError => error
  puts "not ok - #{name}: #{error.class}: #{error.message.tr("\n", " ")}"
end

def refused(kind)
  yield
rescue kind
  nil
else
  raise "it was answered, and not refused with #{kind}"
end

def same(expected, actual)
  raise "#{actual.inspect} and not #{expected.inspect}" unless expected == actual
end

def create(**given)
  KMS.create_key(**given).key_metadata.arn
end

key = create(description: "of the Ruby SDK", tags: [{ tag_key: "team", tag_value: "blue" }])
other = create
sealed = KMS.encrypt(key_id: key, plaintext: TEXT, encryption_context: CONTEXT).ciphertext_blob

test("identity") do
  me = Aws::STS::Client.new(**ENDPOINT).get_caller_identity
  same("arn:aws:iam::#{me.account}:root", me.arn)
end
test("encrypt and decrypt") do
  same(TEXT, KMS.decrypt(ciphertext_blob: sealed, encryption_context: CONTEXT).plaintext)
end
test("another context is refused") do
  refused(Aws::KMS::Errors::InvalidCiphertextException) { KMS.decrypt(ciphertext_blob: sealed) }
end
test("an empty list of grant tokens") do
  KMS.decrypt(ciphertext_blob: sealed, encryption_context: CONTEXT, grant_tokens: [])
end
test("data key") do
  made = KMS.generate_data_key(key_id: key, key_spec: "AES_256")
  same(made.plaintext, KMS.decrypt(ciphertext_blob: made.ciphertext_blob).plaintext)
end
test("re-encrypt") do
  moved = KMS.re_encrypt(ciphertext_blob: sealed, source_encryption_context: CONTEXT, destination_key_id: other)
  same(TEXT, KMS.decrypt(ciphertext_blob: moved.ciphertext_blob).plaintext)
end
test("alias") do
  KMS.create_alias(alias_name: "alias/ruby", target_key_id: key)
  same(key, KMS.describe_key(key_id: "alias/ruby").key_metadata.arn)
  refused(Aws::KMS::Errors::AlreadyExistsException) { KMS.create_alias(alias_name: "alias/ruby", target_key_id: other) }
end
test("tags") do
  same([%w[team blue]], KMS.list_resource_tags(key_id: key).tags.map { |tag| [tag.tag_key, tag.tag_value] })
end
test("rotation") do
  KMS.enable_key_rotation(key_id: key)
  same(true, KMS.get_key_rotation_status(key_id: key).key_rotation_enabled)
end
test("pages") do
  found = KMS.list_keys(limit: 1).flat_map { |page| page.keys.map(&:key_arn) }
  raise "#{found.size} keys" unless [key, other].all? { |arn| found.include?(arn) }
end
test("disabled, pending deletion and not found") do
  arn = create
  KMS.disable_key(key_id: arn)
  refused(Aws::KMS::Errors::DisabledException) { KMS.encrypt(key_id: arn, plaintext: TEXT) }
  KMS.schedule_key_deletion(key_id: arn, pending_window_in_days: 7)
  refused(Aws::KMS::Errors::KMSInvalidStateException) { KMS.encrypt(key_id: arn, plaintext: TEXT) }
  absent = "00000000-0000-4000-8000-000000000000"
  refused(Aws::KMS::Errors::NotFoundException) { KMS.describe_key(key_id: absent) }
end
test("grant") do
  root = "arn:aws:iam::#{Aws::STS::Client.new(**ENDPOINT).get_caller_identity.account}:root"
  granted = KMS.create_grant(key_id: key, grantee_principal: root, operations: %w[Decrypt])
  KMS.decrypt(ciphertext_blob: sealed, encryption_context: CONTEXT, grant_tokens: [granted.grant_token])
  KMS.revoke_grant(key_id: key, grant_id: granted.grant_id)
end
