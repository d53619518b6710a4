package iamserver

import "origami"

// operations lists those that are served: what they take, which kind of
// identity they are about, what policies see, and what does it.
var operations = map[string]operation{
	"AddRoleToInstanceProfile":         {`InstanceProfileName! RoleName!`, "", aProfile, addRole},
	"AddUserToGroup":                   {`GroupName! UserName!`, origami.KindGroup, anIdentity, addToGroup},
	"AttachGroupPolicy":                {`GroupName! PolicyArn!`, origami.KindGroup, anIdentity, attach},
	"AttachRolePolicy":                 {`RoleName! PolicyArn!`, origami.KindRole, anIdentity, attach},
	"AttachUserPolicy":                 {`UserName! PolicyArn!`, origami.KindUser, anIdentity, attach},
	"CreateAccessKey":                  {`UserName`, origami.KindUser, anIdentity, createKey},
	"CreateGroup":                      {`GroupName! Path`, origami.KindGroup, newIdentity, create},
	"CreateInstanceProfile":            {`InstanceProfileName! Path Tags`, "", newProfile, createProfile},
	"CreatePolicy":                     {`PolicyName! PolicyDocument! Path Description Tags`, "", newPolicy, createPolicy},
	"CreatePolicyVersion":              {`PolicyArn! PolicyDocument! SetAsDefault`, "", aPolicy, createVersion},
	"CreateRole":                       {`RoleName! Path AssumeRolePolicyDocument! Description MaxSessionDuration PermissionsBoundary Tags`, origami.KindRole, newIdentity, create},
	"CreateUser":                       {`UserName! Path PermissionsBoundary Tags`, origami.KindUser, newIdentity, create},
	"DeleteAccessKey":                  {`UserName AccessKeyId!`, origami.KindUser, anIdentity, deleteKey},
	"DeleteGroup":                      {`GroupName!`, origami.KindGroup, anIdentity, remove},
	"DeleteGroupPolicy":                {`GroupName! PolicyName!`, origami.KindGroup, anIdentity, deleteInline},
	"DeleteInstanceProfile":            {`InstanceProfileName!`, "", aProfile, deleteProfile},
	"DeleteLoginProfile":               {`UserName`, origami.KindUser, anIdentity, noLoginProfile},
	"DeletePolicy":                     {`PolicyArn!`, "", aPolicy, deletePolicy},
	"DeletePolicyVersion":              {`PolicyArn! VersionId!`, "", aPolicy, deleteVersion},
	"DeleteRole":                       {`RoleName!`, origami.KindRole, anIdentity, remove},
	"DeleteRolePermissionsBoundary":    {`RoleName!`, origami.KindRole, anIdentity, deleteBoundary},
	"DeleteRolePolicy":                 {`RoleName! PolicyName!`, origami.KindRole, anIdentity, deleteInline},
	"DeleteUser":                       {`UserName!`, origami.KindUser, anIdentity, remove},
	"DeleteUserPermissionsBoundary":    {`UserName!`, origami.KindUser, anIdentity, deleteBoundary},
	"DeleteUserPolicy":                 {`UserName! PolicyName!`, origami.KindUser, anIdentity, deleteInline},
	"DetachGroupPolicy":                {`GroupName! PolicyArn!`, origami.KindGroup, anIdentity, detach},
	"DetachRolePolicy":                 {`RoleName! PolicyArn!`, origami.KindRole, anIdentity, detach},
	"DetachUserPolicy":                 {`UserName! PolicyArn!`, origami.KindUser, anIdentity, detach},
	"GetAccountPasswordPolicy":         {``, "", nil, noPasswordPolicy},
	"GetContextKeysForCustomPolicy":    {`PolicyInputList!`, "", nil, contextKeysOf},
	"GetContextKeysForPrincipalPolicy": {`PolicySourceArn! PolicyInputList`, "", aSource, contextKeysOf},
	"GetGroup":                         {`GroupName! Marker MaxItems`, origami.KindGroup, anIdentity, getGroup},
	"GetGroupPolicy":                   {`GroupName! PolicyName!`, origami.KindGroup, anIdentity, getInline},
	"GetInstanceProfile":               {`InstanceProfileName!`, "", aProfile, getProfile},
	"GetLoginProfile":                  {`UserName`, origami.KindUser, anIdentity, noLoginProfile},
	"GetPolicy":                        {`PolicyArn!`, "", aPolicy, getPolicy},
	"GetPolicyVersion":                 {`PolicyArn! VersionId!`, "", aPolicy, getVersion},
	"GetRole":                          {`RoleName!`, origami.KindRole, anIdentity, get},
	"GetRolePolicy":                    {`RoleName! PolicyName!`, origami.KindRole, anIdentity, getInline},
	"GetUser":                          {`UserName`, origami.KindUser, anIdentity, get},
	"GetUserPolicy":                    {`UserName! PolicyName!`, origami.KindUser, anIdentity, getInline},
	"ListAccessKeys":                   {`UserName Marker MaxItems`, origami.KindUser, anIdentity, listKeys},
	"ListAccountAliases":               {`Marker MaxItems`, "", nil, listAbsent},
	"ListAttachedGroupPolicies":        {`GroupName! PathPrefix Marker MaxItems`, origami.KindGroup, anIdentity, listAttached},
	"ListAttachedRolePolicies":         {`RoleName! PathPrefix Marker MaxItems`, origami.KindRole, anIdentity, listAttached},
	"ListAttachedUserPolicies":         {`UserName! PathPrefix Marker MaxItems`, origami.KindUser, anIdentity, listAttached},
	"ListEntitiesForPolicy":            {`PolicyArn! EntityFilter PathPrefix PolicyUsageFilter Marker MaxItems`, "", aPolicy, listEntities},
	"ListGroupPolicies":                {`GroupName! Marker MaxItems`, origami.KindGroup, anIdentity, listInline},
	"ListGroups":                       {`PathPrefix Marker MaxItems`, origami.KindGroup, nil, listIdentities},
	"ListGroupsForUser":                {`UserName! Marker MaxItems`, origami.KindUser, anIdentity, groupsOfUser},
	"ListInstanceProfileTags":          {`InstanceProfileName! Marker MaxItems`, "", aProfile, profileTags},
	"ListInstanceProfiles":             {`PathPrefix Marker MaxItems`, "", nil, listProfiles},
	"ListInstanceProfilesForRole":      {`RoleName! Marker MaxItems`, origami.KindRole, anIdentity, listProfiles},
	"ListMFADevices":                   {`UserName Marker MaxItems`, origami.KindUser, anIdentity, listAbsent},
	"ListOpenIDConnectProviders":       {``, "", nil, listAbsent},
	"ListPolicies":                     {`Scope OnlyAttached PathPrefix PolicyUsageFilter Marker MaxItems`, "", nil, listPolicies},
	"ListPolicyTags":                   {`PolicyArn! Marker MaxItems`, "", aPolicy, policyTags},
	"ListPolicyVersions":               {`PolicyArn! Marker MaxItems`, "", aPolicy, listVersions},
	"ListRolePolicies":                 {`RoleName! Marker MaxItems`, origami.KindRole, anIdentity, listInline},
	"ListRoleTags":                     {`RoleName! Marker MaxItems`, origami.KindRole, anIdentity, identityTags},
	"ListRoles":                        {`PathPrefix Marker MaxItems`, origami.KindRole, nil, listIdentities},
	"ListSAMLProviders":                {``, "", nil, listAbsent},
	"ListSSHPublicKeys":                {`UserName Marker MaxItems`, origami.KindUser, anIdentity, listAbsent},
	"ListServerCertificates":           {`PathPrefix Marker MaxItems`, "", nil, listAbsent},
	"ListServiceSpecificCredentials":   {`UserName ServiceName`, origami.KindUser, anIdentity, listAbsent},
	"ListSigningCertificates":          {`UserName Marker MaxItems`, origami.KindUser, anIdentity, listAbsent},
	"ListUserPolicies":                 {`UserName! Marker MaxItems`, origami.KindUser, anIdentity, listInline},
	"ListUserTags":                     {`UserName! Marker MaxItems`, origami.KindUser, anIdentity, identityTags},
	"ListUsers":                        {`PathPrefix Marker MaxItems`, origami.KindUser, nil, listIdentities},
	"ListVirtualMFADevices":            {`AssignmentStatus Marker MaxItems`, "", nil, listAbsent},
	"PutGroupPolicy":                   {`GroupName! PolicyName! PolicyDocument!`, origami.KindGroup, anIdentity, putInline},
	"PutRolePermissionsBoundary":       {`RoleName! PermissionsBoundary!`, origami.KindRole, anIdentity, putBoundary},
	"PutRolePolicy":                    {`RoleName! PolicyName! PolicyDocument!`, origami.KindRole, anIdentity, putInline},
	"PutUserPermissionsBoundary":       {`UserName! PermissionsBoundary!`, origami.KindUser, anIdentity, putBoundary},
	"PutUserPolicy":                    {`UserName! PolicyName! PolicyDocument!`, origami.KindUser, anIdentity, putInline},
	"RemoveRoleFromInstanceProfile":    {`InstanceProfileName! RoleName!`, "", aProfile, removeRole},
	"RemoveUserFromGroup":              {`GroupName! UserName!`, origami.KindGroup, anIdentity, removeFromGroup},
	"SetDefaultPolicyVersion":          {`PolicyArn! VersionId!`, "", aPolicy, setDefaultVersion},
	"SimulateCustomPolicy": {`PolicyInputList! ActionNames! PermissionsBoundaryPolicyInputList ResourceArns ResourcePolicy ResourceOwner CallerArn
		ContextEntries ResourceHandlingOption Marker MaxItems`, "", nil, simulate},
	"SimulatePrincipalPolicy": {`PolicySourceArn! ActionNames! PolicyInputList PermissionsBoundaryPolicyInputList ResourceArns ResourcePolicy ResourceOwner
		CallerArn ContextEntries ResourceHandlingOption Marker MaxItems`, "", aSource, simulate},
	"TagInstanceProfile":     {`InstanceProfileName! Tags!`, "", aProfile, tagProfile},
	"TagPolicy":              {`PolicyArn! Tags!`, "", aPolicy, tagPolicy},
	"TagRole":                {`RoleName! Tags!`, origami.KindRole, anIdentity, tagIdentity},
	"TagUser":                {`UserName! Tags!`, origami.KindUser, anIdentity, tagIdentity},
	"UntagInstanceProfile":   {`InstanceProfileName! TagKeys!`, "", aProfile, tagProfile},
	"UntagPolicy":            {`PolicyArn! TagKeys!`, "", aPolicy, tagPolicy},
	"UntagRole":              {`RoleName! TagKeys!`, origami.KindRole, anIdentity, tagIdentity},
	"UntagUser":              {`UserName! TagKeys!`, origami.KindUser, anIdentity, tagIdentity},
	"UpdateAccessKey":        {`UserName AccessKeyId! Status!`, origami.KindUser, anIdentity, updateKey},
	"UpdateAssumeRolePolicy": {`RoleName! PolicyDocument!`, origami.KindRole, anIdentity, updateTrust},
	"UpdateGroup":            {`GroupName! NewPath NewGroupName`, origami.KindGroup, anIdentity, rename},
	"UpdateRole":             {`RoleName! Description MaxSessionDuration`, origami.KindRole, anIdentity, updateRole},
	"UpdateRoleDescription":  {`RoleName! Description!`, origami.KindRole, anIdentity, updateRoleDescription},
	"UpdateUser":             {`UserName! NewPath NewUserName`, origami.KindUser, anIdentity, rename},
}

// unserved are the other operations of IAM, so that a client can tell one that
// is not served from a misspelt one.
const unserved = `
	AcquireRole GetAccountProperties GetRoleTemplateVersion PutAccountProperties
	AcceptDelegationRequest AddClientIDToOpenIDConnectProvider AssociateDelegationRequest ChangePassword
	CreateAccountAlias CreateDelegationRequest CreateLoginProfile CreateOpenIDConnectProvider CreateSAMLProvider
	CreateServiceLinkedRole CreateServiceSpecificCredential CreateVirtualMFADevice DeactivateMFADevice
	DeleteAccountAlias DeleteAccountPasswordPolicy DeleteOpenIDConnectProvider DeleteSAMLProvider
	DeleteSSHPublicKey DeleteServerCertificate DeleteServiceLinkedRole DeleteServiceSpecificCredential
	DeleteSigningCertificate DeleteVirtualMFADevice DisableOrganizationsRootCredentialsManagement
	DisableOrganizationsRootSessions DisableOutboundWebIdentityFederation EnableMFADevice
	EnableOrganizationsRootCredentialsManagement EnableOrganizationsRootSessions EnableOutboundWebIdentityFederation
	GenerateCredentialReport GenerateOrganizationsAccessReport GenerateServiceLastAccessedDetails GetAccessKeyLastUsed
	GetAccountAuthorizationDetails GetAccountSummary
	GetCredentialReport GetDelegationRequest GetHumanReadableSummary
	GetMFADevice GetOpenIDConnectProvider GetOrganizationsAccessReport GetOutboundWebIdentityFederationInfo
	GetSAMLProvider GetSSHPublicKey GetServerCertificate GetServiceLastAccessedDetails
	GetServiceLastAccessedDetailsWithEntities GetServiceLinkedRoleDeletionStatus
	ListDelegationRequests ListMFADeviceTags ListOpenIDConnectProviderTags
	ListOrganizationsFeatures ListPoliciesGrantingServiceAccess ListSAMLProviderTags
	ListServerCertificateTags
	RejectDelegationRequest RemoveClientIDFromOpenIDConnectProvider
	ResetServiceSpecificCredential ResyncMFADevice SendDelegationToken SetSecurityTokenServicePreferences
	TagMFADevice TagOpenIDConnectProvider TagSAMLProvider
	TagServerCertificate UntagMFADevice UntagOpenIDConnectProvider UntagSAMLProvider UntagServerCertificate
	UpdateAccountPasswordPolicy UpdateDelegationRequest UpdateLoginProfile UpdateOpenIDConnectProviderThumbprint
	UpdateSAMLProvider UpdateSSHPublicKey UpdateServerCertificate UpdateServiceSpecificCredential
	UpdateSigningCertificate UploadSSHPublicKey UploadServerCertificate UploadSigningCertificate
`
