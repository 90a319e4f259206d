import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Button, Input, Label, TextField } from "react-aria-components";
import { token } from "../api/client";

/** Asks for the token that a server bound to another address wants; it is kept until the tab closes. */
export function TokenPrompt({ refused }: { refused: boolean }) {
  const queries = useQueryClient();
  const [value, setValue] = useState("");
  function submit(event: FormEvent) {
    event.preventDefault();
    token.keep(value.trim());
    void queries.resetQueries();
  }
  return (
    <main id="main" className="gate">
      <form className="panel" onSubmit={submit}>
        <h1>This server asks for a token</h1>
        <p>
          {refused
            ? "The server did not take that token. Whoever started it can read it where they did."
            : "Whoever started the server has it. It is kept in this tab only, and forgotten when you close it."}
        </p>
        <TextField value={value} onChange={setValue} type="password" autoFocus isRequired>
          <Label>Token</Label>
          <Input autoComplete="off" />
        </TextField>
        <Button type="submit" className="button button-strong">
          Open the explorer
        </Button>
      </form>
    </main>
  );
}
