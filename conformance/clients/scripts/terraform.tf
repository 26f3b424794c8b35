provider "aws" {
  skip_metadata_api_check = true
}
locals {
  trust = jsonencode({ Version = "2012-10-17", Statement = [{
    Effect = "Allow", Action = "sts:AssumeRole", Principal = { AWS = aws_iam_user.alice.arn }
  }] })
  root = { Sid = "root", Effect = "Allow", Action = "kms:*", Resource = "*",
  Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.me.account_id}:root" } }
}
data "aws_caller_identity" "me" {}
data "aws_iam_policy_document" "use" {
  statement {
    actions   = ["kms:Decrypt", "kms:DescribeKey"]
    resources = ["*"]
    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:app"
      values   = ["payroll"]
    }
  }
}
resource "aws_iam_account_alias" "name" { account_alias = "conformance-terraform" }
resource "aws_iam_user" "alice" {
  name = "tf-alice"
  path = "/eng/"
  tags = { team = "blue" }
}
resource "aws_iam_user_policy" "own" {
  name   = "own"
  user   = aws_iam_user.alice.name
  policy = data.aws_iam_policy_document.use.json
}
resource "aws_iam_group" "users" { name = "tf-users" }
resource "aws_iam_user_group_membership" "alice" {
  user   = aws_iam_user.alice.name
  groups = [aws_iam_group.users.name]
}
resource "aws_iam_user_login_profile" "alice" {
  user                    = aws_iam_user.alice.name
  password_length         = 24
  password_reset_required = true
  depends_on              = [aws_iam_account_password_policy.strict]
}
resource "aws_iam_user_login_profile" "bob" {
  user       = aws_iam_user.bob.name
  pgp_key    = "PUBLIC_KEY"
  depends_on = [aws_iam_account_password_policy.strict]
}
resource "aws_iam_account_password_policy" "strict" {
  minimum_password_length        = 14
  require_lowercase_characters   = true
  require_numbers                = true
  require_uppercase_characters   = true
  require_symbols                = true
  allow_users_to_change_password = true
  max_password_age               = 90
  password_reuse_prevention      = 24
}
resource "aws_iam_openid_connect_provider" "company" {
  url            = "https://id.example.com/company"
  client_id_list = ["keytrail", "payroll"]
  tags           = { team = "blue" }
}
resource "aws_iam_openid_connect_provider" "thumbs" {
  url             = "https://thumbs.example.com"
  client_id_list  = ["keytrail"]
  thumbprint_list = ["cf23df2207d99a74fbe169e3eba035e633b65d94"]
}
resource "aws_iam_role" "workload" {
  name = "tf-workload"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{
    Effect    = "Allow", Action = "sts:AssumeRoleWithWebIdentity"
    Principal = { Federated = aws_iam_openid_connect_provider.company.arn }
    Condition = { StringEquals = { "id.example.com/company:sub" = "payroll" } }
  }] })
}
data "aws_iam_openid_connect_provider" "company" { arn = aws_iam_openid_connect_provider.company.arn }
resource "aws_iam_virtual_mfa_device" "phone" {
  virtual_mfa_device_name = "tf-phone"
  path                    = "/eng/"
  tags                    = { team = "blue" }
}
resource "aws_iam_group" "whole" { name = "tf-whole" }
resource "aws_iam_group_membership" "whole" {
  name  = "whole"
  group = aws_iam_group.whole.name
  users = [aws_iam_user.bob.name]
}
resource "aws_iam_user" "bob" { name = "tf-bob" }
resource "aws_iam_group_policy" "use" {
  name   = "use"
  group  = aws_iam_group.users.name
  policy = data.aws_iam_policy_document.use.json
}
resource "aws_iam_policy" "limit" {
  name        = "tf-limit"
  description = "what a role of ours may at most"
  policy      = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "kms:*", Resource = "*" }] })
  tags        = { team = "blue" }
}
resource "aws_iam_group_policy_attachment" "users" {
  group      = aws_iam_group.users.name
  policy_arn = aws_iam_policy.limit.arn
}
resource "aws_iam_user_policy_attachment" "bob" {
  user       = aws_iam_user.bob.name
  policy_arn = aws_iam_policy.limit.arn
}
resource "aws_iam_policy" "shared" {
  name   = "tf-shared"
  policy = data.aws_iam_policy_document.use.json
}
resource "aws_iam_policy_attachment" "shared" {
  name       = "shared"
  users      = [aws_iam_user.bob.name]
  roles      = [aws_iam_role.app.name]
  policy_arn = aws_iam_policy.shared.arn
}
resource "aws_iam_role" "app" {
  name                 = "tf-app"
  permissions_boundary = aws_iam_policy.limit.arn
  assume_role_policy   = local.trust
  max_session_duration = 7200
}
resource "aws_iam_role_policy" "app" {
  name   = "use"
  role   = aws_iam_role.app.id
  policy = data.aws_iam_policy_document.use.json
}
resource "aws_iam_role_policy_attachment" "app" {
  role       = aws_iam_role.app.name
  policy_arn = aws_iam_policy.limit.arn
}
resource "aws_iam_role" "exclusive" {
  name               = "tf-exclusive"
  assume_role_policy = local.trust
}
resource "aws_iam_role_policy" "exclusive" {
  name   = "use"
  role   = aws_iam_role.exclusive.id
  policy = data.aws_iam_policy_document.use.json
}
resource "aws_iam_role_policies_exclusive" "exclusive" {
  role_name    = aws_iam_role.exclusive.name
  policy_names = [aws_iam_role_policy.exclusive.name]
}
resource "aws_iam_role_policy_attachments_exclusive" "exclusive" {
  role_name   = aws_iam_role.exclusive.name
  policy_arns = []
}
resource "aws_iam_instance_profile" "app" {
  name = "tf-app"
  role = aws_iam_role.app.name
}
resource "aws_iam_access_key" "alice" { user = aws_iam_user.alice.name }
resource "aws_iam_service_linked_role" "support" { aws_service_name = "kafka.amazonaws.com" }
resource "aws_kms_key" "key" {
  description = "by Terraform"
  tags        = { team = "blue" }
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    local.root,
    { Sid = "use", Effect = "Allow", Action = ["kms:Encrypt", "kms:Decrypt"], Resource = "*",
    Principal = { AWS = [aws_iam_user.alice.arn, aws_iam_role.app.arn] } },
  ] })
}
resource "aws_kms_alias" "key" {
  name          = "alias/terraform"
  target_key_id = aws_kms_key.key.key_id
}
resource "aws_kms_key" "turning" {
  description             = "rotates, and goes after seven days"
  enable_key_rotation     = true
  rotation_period_in_days = 180
  deletion_window_in_days = 7
}
resource "aws_kms_key_policy" "turning" {
  key_id = aws_kms_key.turning.key_id
  policy = jsonencode({ Version = "2012-10-17", Statement = [local.root] })
}
resource "aws_kms_key" "codes" {
  key_usage                = "GENERATE_VERIFY_MAC"
  customer_master_key_spec = "HMAC_256"
}
resource "aws_kms_key" "signing" {
  key_usage                = "SIGN_VERIFY"
  customer_master_key_spec = "ECC_NIST_P256"
}
resource "aws_kms_key" "off" { is_enabled = false }
resource "aws_kms_external_key" "brought" {
  description             = "with material of our own"
  key_material_base64     = "MATERIAL"
  deletion_window_in_days = 7
  enabled                 = true
  tags                    = { team = "blue" }
}
resource "aws_kms_ciphertext" "sealed" {
  key_id    = aws_kms_key.key.key_id
  plaintext = "from terraform"
  context   = { app = "payroll" }
}
resource "aws_kms_grant" "alice" {
  name              = "for-alice"
  key_id            = aws_kms_key.key.key_id
  grantee_principal = aws_iam_user.alice.arn
  operations        = ["Encrypt", "Decrypt"]
  constraints { encryption_context_subset = { app = "payroll" } }
}
resource "aws_kms_replica_key" "elsewhere" {
  primary_key_arn = aws_kms_key.key.arn
}
data "aws_kms_alias" "key" {
  name       = "alias/terraform"
  depends_on = [aws_kms_alias.key]
}
data "aws_kms_key" "key" { key_id = aws_kms_key.key.key_id }
data "aws_kms_public_key" "signing" { key_id = aws_kms_key.signing.key_id }
data "aws_kms_secrets" "sealed" {
  secret {
    name    = "sealed"
    payload = aws_kms_ciphertext.sealed.ciphertext_blob
    context = { app = "payroll" }
  }
}
data "aws_iam_user" "alice" { user_name = aws_iam_user.alice.name }
data "aws_iam_role" "app" { name = aws_iam_role.app.name }
data "aws_iam_group" "users" { group_name = aws_iam_group.users.name }
data "aws_iam_policy" "limit" { arn = aws_iam_policy.limit.arn }
data "aws_iam_instance_profile" "app" { name = aws_iam_instance_profile.app.name }
data "aws_iam_session_context" "me" { arn = data.aws_caller_identity.me.arn }
data "aws_iam_principal_policy_simulation" "allowed" {
  action_names      = ["kms:Decrypt"]
  policy_source_arn = aws_iam_user.bob.arn
  depends_on        = [aws_iam_user_policy_attachment.bob]
}
data "aws_iam_principal_policy_simulation" "denied" {
  action_names      = ["iam:CreateUser"]
  policy_source_arn = aws_iam_user.bob.arn
  depends_on        = [aws_iam_user_policy_attachment.bob]
}
output "same" {
  value = {
    alias     = data.aws_kms_alias.key.target_key_arn == aws_kms_key.key.arn
    arn       = data.aws_kms_key.key.arn == aws_kms_key.key.arn
    provider  = data.aws_iam_openid_connect_provider.company.url == aws_iam_openid_connect_provider.company.url
    user      = data.aws_iam_user.alice.arn == aws_iam_user.alice.arn
    plaintext = nonsensitive(data.aws_kms_secrets.sealed.plaintext["sealed"])
    may = [
      one(data.aws_iam_principal_policy_simulation.allowed.results).decision,
      one(data.aws_iam_principal_policy_simulation.denied.results).decision,
    ]
  }
}
output "passwords" {
  sensitive = true
  value = {
    clear   = length(aws_iam_user_login_profile.alice.password)
    sealed  = length(aws_iam_user_login_profile.bob.encrypted_password) > 100
    hidden  = aws_iam_user_login_profile.bob.password == null
    seed    = length(aws_iam_virtual_mfa_device.phone.base_32_string_seed) >= 32
    expires = aws_iam_account_password_policy.strict.expire_passwords
  }
}
