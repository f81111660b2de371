{{/* The Pod Security Standard "restricted", all of it. The argument is the image's user. */}}
{{- define "common.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "common.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
runAsNonRoot: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/*
A Secret that is made once, with a random value, and kept: what is there is taken as it is.
Arguments: root, name, type, keys (a list), same (keys with the value of another), basic (keys with the HTTP header that
another key's user sends; its name is that key), fixed (a map of what is no secret, such as a user's name), labels.
Without a cluster (`helm template`) `lookup` finds nothing; such a rendering is never applied.
*/}}
{{- define "common.secret" -}}
{{- $found := lookup "v1" "Secret" .root.Release.Namespace .name | default dict }}
{{- $data := $found.data | default dict }}
apiVersion: v1
kind: Secret
metadata:
  name: {{ .name }}
  labels:
    {{- include "common.labels" .root | nindent 4 }}
    {{- with .labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # A password must outlive its release: the volumes that know it do.
    helm.sh/resource-policy: keep
type: {{ .type | default "Opaque" }}
data:
  {{- range $key, $value := .fixed | default dict }}
  {{ $key }}: {{ $value | b64enc | quote }}
  {{- end }}
  {{- $made := dict }}
  {{- range $key := .keys }}
  {{- $_ := set $made $key (get $data $key | default (randAlphaNum 32 | b64enc)) }}
  {{ $key }}: {{ get $made $key | quote }}
  {{- end }}
  {{- range $key, $other := .same | default dict }}
  {{ $key }}: {{ get $made $other | quote }}
  {{- end }}
  {{- range $key, $user := .basic | default dict }}
  {{ $key }}: {{ printf "%s:%s" $user (get $made $user | b64dec) | b64enc | printf "Basic %s" | b64enc | quote }}
  {{- end }}
{{- end }}
