"""How people sign in and stay signed in: second factors, passkeys, sessions, and confirming who acts."""
